package cloudevents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

func TestJSONHoldsDataInTheFormThatEveryReaderTakes(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, test := range map[string]struct {
		contentType, data, want string
	}{
		"no data":                      {"application/json", "", ``},
		"JSON":                         {"application/json", `{ "a":  1.50 }`, `,"data":{ "a":  1.50 }`},
		"a suffix":                     {"application/vnd.x+json", `[1]`, `,"data":[1]`},
		"a type of its own":            {"model/json", `[1]`, `,"data":[1]`},
		"a type in capitals":           {"Application/JSON; charset=UTF-8", `[1]`, `,"data":[1]`},
		"null":                         {"application/json", `null`, `,"data":null`},
		"a string":                     {"application/json", `"a\nb"`, `,"data":"a\nb"`},
		"a huge number":                {"application/json", `1e999999999`, `,"data":1e999999999`},
		"a whole surrogate pair":       {"application/json", `"\ud83d\ude00"`, `,"data":"\ud83d\ude00"`},
		"half a surrogate pair":        {"application/json", `"\ud83d"`, `,"data_base64":"Ilx1ZDgzZCI="`},
		"a line feed between tokens":   {"application/json", "[\n1]", `,"data_base64":"WwoxXQ=="`},
		"a return between tokens":      {"application/json", "[\r1]", `,"data_base64":"Ww0xXQ=="`},
		"a tab between tokens":         {"application/json", "[\t1]", ",\"data\":[\t1]"},
		"white space before":           {"application/json", " 1", `,"data_base64":"IDE="`},
		"white space behind":           {"application/json", "1 ", `,"data_base64":"MSA="`},
		"nested deeply":                {"application/json", deep(MaxJSONDepth), `,"data":` + deep(MaxJSONDepth)},
		"nested more deeply":           {"application/json", deep(MaxJSONDepth + 1), `,"data_base64":"` + strings.Repeat("W1tb", 20) + "W11d" + strings.Repeat("XV1d", 19) + `XV0="`},
		"many, not deep":               {"application/json", "[" + strings.Repeat("[],", 100) + `"\"` + strings.Repeat("[", 100) + `"]`, `,"data":[` + strings.Repeat("[],", 100) + `"\"` + strings.Repeat("[", 100) + `"]`},
		"no JSON":                      {"application/json", "{", `,"data_base64":"ew=="`},
		"two values":                   {"application/json", "1 2", `,"data_base64":"MSAy"`},
		"members that are not its own": {"application/json", `1,"id":"2"`, `,"data_base64":"MSwiaWQiOiIyIg=="`},
		"JSON in another charset":      {"application/json; charset=iso-8859-1", `"é"`, `,"data_base64":"IsOpIg=="`},
		"JSON in no UTF-8":             {"application/json", "\"\xe9\"", `,"data_base64":"Iuki"`},
		"no content type":              {"", "[1]", `,"data_base64":"WzFd"`},
		"text":                         {"text/plain", "a\"\\\b\x7f\u2028\r\n\té", `,"data":"a\"\\\u0008` + "\x7f\u2028" + `\r\n\té"`},
		"text, as it says in UTF-8":    {`text/plain; charset="utf-8"`, "é", `,"data":"é"`},
		"text in another charset":      {"text/plain;charset=UTF-16LE", "a\x00", `,"data_base64":"YQA="`},
		"text of a broken type":        {"text/plain; charset", "a", `,"data_base64":"YQ=="`},
		"text in no UTF-8":             {"text/plain", "caf\xe9", `,"data_base64":"Y2Fm6Q=="`},
		"XML":                          {"application/xml", `<a b="1"/>`, `,"data":"<a b=\"1\"/>"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Normal(event.Event{ID: "1", Source: "/s", Type: "T", DataContentType: test.contentType, Data: []byte(test.data)})
			if err != nil {
				t.Fatal(err)
			}
			want := `{"specversion":"1.0","id":"1","source":"/s","type":"T"`
			if test.contentType != "" {
				want += fmt.Sprintf(`,"datacontenttype":%q`, test.contentType)
			}
			want += test.want + "}"
			if got := string(AppendJSON(nil, &e)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			checkJSON(t, &e)
		})
	}
}

func TestJSONHasItsMembersInOneOrder(t *testing.T) {
	t.Parallel()
	e := event.Placed{Position: 1 << 40, Recorded: at.Add(time.Second), Event: event.Event{
		ID: "1", Source: "/s", Type: "T", Subject: `"ö"`, Time: at, DataContentType: "text/plain", DataSchema: "urn:s", Data: []byte("x"),
		Extensions: map[string]string{"b": "2", "a": "", PositionAttribute: "7", RecordedAttribute: "never"},
	}}
	const start = `{"specversion":"1.0","id":"1","source":"/s","type":"T","subject":"\"ö\"","time":"2026-11-23T09:30:00Z",` +
		`"datacontenttype":"text/plain","dataschema":"urn:s","a":"","b":"2",`
	if got, want := string(AppendJSON(nil, &e.Event)), start+`"efposition":"7","efrecorded":"never","data":"x"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Names of ours are ours where there is a position.
	if got, want := string(AppendPlacedJSON(nil, &e)), start+`"efposition":"1099511627776","efrecorded":"2026-11-23T09:30:01Z","data":"x"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whether an event is live is a Boolean of JSON: the string "false" is true in
// most languages.
func TestJSONOfADeliveredEventTellsItsFeed(t *testing.T) {
	t.Parallel()
	e := event.Delivered{Feed: "orders", FeedID: "urn:uuid:1", Live: true, Placed: event.Placed{Position: 7, Recorded: at, Event: event.Event{
		ID: "1", Source: "/s", Type: "T", DataContentType: "text/plain", Data: []byte("x"),
		Extensions: map[string]string{"a": "1", "eflive": "no", "effeed": "other", "effeedid": "other", "efposition": "9"},
	}}}
	const place = `{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"text/plain","a":"1","efposition":"7","efrecorded":"2026-11-23T09:30:00Z"`
	if got, want := string(AppendDeliveredJSON(nil, &e)), place+`,"effeed":"orders","effeedid":"urn:uuid:1","eflive":true,"data":"x"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.Feed, e.Live = "", false // a feed that is not ours may have no name
	if got, want := string(AppendDeliveredJSON(nil, &e)), place+`,"effeedid":"urn:uuid:1","eflive":false,"data":"x"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := ParseJSON(AppendDeliveredJSON(nil, &e)); err != nil {
		t.Error(err)
	}
}

func TestFromAttributesTakesWhatParseJSONTakes(t *testing.T) {
	t.Parallel()
	attributes := map[string]string{"specversion": "1.0", "id": "1", "source": "/s", "type": "T", "time": "2026-11-23T10:30:00+01:00", "n": "5"}
	want := event.Event{ID: "1", Source: "/s", Type: "T", Time: at, Extensions: map[string]string{"n": "5"}, Data: []byte("x")}
	if got, err := FromAttributes(attributes, []byte("x")); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for says, change := range map[string][2]string{
		"specversion is missing":   {"specversion", ""},
		`"0.3" is not supported`:   {"specversion", "0.3"},
		"is not an RFC 3339 time":  {"time", "now"},
		"type is missing":          {"type", ""},
		"only a-z and 0-9":         {"my-name", "x"},
		"attribute of its own":     {"data", "x"},
		"id is not valid UTF-8":    {"id", "\xff"},
		"source holds the control": {"source", "\n"},
	} {
		changed := map[string]string{change[0]: change[1]}
		for name, value := range attributes {
			if name != change[0] {
				changed[name] = value
			}
		}
		if changed["specversion"] == "" {
			delete(changed, "specversion")
		}
		if _, err := FromAttributes(changed, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want it to say %q", change, err, says)
		}
	}
}

// FuzzEveryEventComesThroughJSON: what ParseJSON reads is what AppendJSON wrote.
func FuzzEveryEventComesThroughJSON(f *testing.F) {
	for _, contentType := range []string{"", "application/json", "text/plain", "application/json; charset=latin1", "a/b+json;x"} {
		for _, data := range []string{"", `{"a":[1,"\ud83d\ude00"]}`, `"\udead"`, "\n[1]", "[ 1 ]\t", "caf\xe9", "\u2028\x00\"\\", "1e999", "null", `"x"`} {
			f.Add("1", "/s", "T", "s", contentType, "schema", "name", "value", int64(1_700_000_000_000_001), []byte(data))
		}
	}
	f.Add("", "\u2028", "\"\\\u00a0", "\ufffd", "\"", "", "data", "", int64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, id, source, typ, subject, contentType, schema, name, value string, micros int64, data []byte) {
		e := event.Event{ID: id, Source: source, Type: typ, Subject: subject, DataContentType: contentType, DataSchema: schema, Data: data}
		if micros != 0 {
			e.Time = time.UnixMicro(micros)
		}
		if name != "" {
			e.Extensions = map[string]string{name: value, "other": "x"}
		}
		e, err := Normal(e)
		if err != nil {
			return
		}
		checkJSON(t, &e)
	})
}

// checkJSON: an event on one line that comes back the same, alone and placed.
func checkJSON(t *testing.T, e *event.Event) {
	t.Helper()
	line := AppendJSON(nil, e)
	if bytes.ContainsAny(line, "\r\n") || !json.Valid(line) {
		t.Fatalf("not one line of JSON: %q", line)
	}
	got, err := ParseJSON(line)
	if err != nil || !reflect.DeepEqual(got, *e) {
		t.Fatalf("%s\n got %+v, %v\nwant %+v", line, got, err, *e)
	}
	placed := event.Placed{Event: *e, Position: 7, Recorded: at}
	line = AppendPlacedJSON(nil, &placed)
	if got, err = ParseJSON(line); err != nil || got.Extensions[PositionAttribute] != "7" || got.Extensions[RecordedAttribute] != FormatTime(at) {
		t.Fatalf("%s: %+v, %v", line, got, err)
	}
}
