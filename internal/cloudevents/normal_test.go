package cloudevents

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

var at = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func TestNormalFormIsTheSameHoweverTheEventWasWritten(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("CET", 3600)
	want := event.Event{ID: "1", Source: "/s", Type: "T", Time: at.Add(123456 * time.Microsecond)}
	for name, e := range map[string]event.Event{
		"as it is":              want,
		"other time zone":       {ID: "1", Source: "/s", Type: "T", Time: want.Time.In(berlin)},
		"nanoseconds":           {ID: "1", Source: "/s", Type: "T", Time: want.Time.Add(789)},
		"empty data":            {ID: "1", Source: "/s", Type: "T", Time: want.Time, Data: []byte{}},
		"no extensions, a map":  {ID: "1", Source: "/s", Type: "T", Time: want.Time, Extensions: map[string]string{}},
		"monotonic clock, zone": {ID: "1", Source: "/s", Type: "T", Time: want.Time.Local()},
	} {
		got, err := Normal(e)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestNormalRefuses(t *testing.T) {
	t.Parallel()
	extension := func(name, value string) event.Event {
		return event.Event{ID: "1", Type: "T", Extensions: map[string]string{name: value}}
	}
	for name, test := range map[string]struct {
		event event.Event
		says  string
	}{
		"no type":                 {event.Event{ID: "1"}, "type is missing"},
		"a long id":               {event.Event{ID: strings.Repeat("x", 256), Type: "T"}, "id has 256 bytes, the limit is 255"},
		"a long subject":          {event.Event{ID: "1", Type: "T", Subject: strings.Repeat("x", 1025)}, "subject has 1025 bytes"},
		"a control character":     {event.Event{ID: "1", Type: "T\n"}, "type holds the control character U+000A"},
		"a NUL":                   {event.Event{ID: "1", Type: "T", Source: "a\x00"}, "source holds the control character U+0000"},
		"a C1 control character":  {event.Event{ID: "1", Type: "T", Subject: "\u0085"}, "subject holds the control character U+0085"},
		"a noncharacter":          {event.Event{ID: "1", Type: "T", Subject: "\U0001ffff"}, "subject holds the noncharacter U+1FFFF"},
		"invalid UTF-8":           {event.Event{ID: "1", Type: "T", DataSchema: "\xff"}, "dataschema is not valid UTF-8"},
		"an extension in capital": {extension("Trace", "1"), "only a-z and 0-9"},
		"an extension named id":   {extension("id", "1"), "name of an attribute of its own"},
		"an extension's value":    {extension("trace", "\x01"), "trace holds the control character U+0001"},
		"an extension named ''":   {extension("", "1"), "must have 1 to 64 characters"},
		"a year beyond 9999":      {event.Event{ID: "1", Type: "T", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "year 10000"},
		"more than 8 MiB":         {event.Event{ID: "1", Type: "T", Data: make([]byte, event.MaxSize)}, "event is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Normal(test.event)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
			if errors.Is(err, event.ErrTooLarge) != strings.Contains(test.says, "too large") {
				t.Errorf("event.ErrTooLarge: %v", err)
			}
		})
	}
}

func TestEventOfTheMaximumSizeIsTaken(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: "1", Source: "/s", Type: "T", Time: at}
	e.Data = make([]byte, event.MaxSize-Size(&e))
	if _, err := Normal(e); err != nil {
		t.Error(err)
	}
	// What is left out is filled in later, and must not make it too large then.
	for _, e := range []event.Event{{Type: "T", Source: "/s", Time: at}, {Type: "T", ID: "1", Time: at}, {Type: "T", ID: "1", Source: "/s"}} {
		e.Data = make([]byte, event.MaxSize-Size(&e))
		if _, err := Normal(e); !errors.Is(err, event.ErrTooLarge) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestFormIsInOneOrderWithLengthsInFront(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: "i", Source: "s", Type: "t", Time: at, Data: []byte("d"), Extensions: map[string]string{"b": "2", "a": ""}}
	want := "00000001" + "69" + "00000001" + "73" + "00000001" + "74" + "00000000" +
		"00000014" + hex.EncodeToString([]byte("2026-11-23T09:30:00Z")) + "00000000" + "00000000" + "00000001" + "64" +
		"00000001" + "61" + "00000000" + "00000001" + "62" + "00000001" + "32"
	form := AppendForm(nil, &e)
	if got := hex.EncodeToString(form); got != want {
		t.Errorf("form is\n%s, want\n%s", got, want)
	}
	if Size(&e) != len(form) {
		t.Errorf("Size is %d, the form has %d bytes", Size(&e), len(form))
	}
}

func TestTimeHasSixDigitsOrNone(t *testing.T) {
	t.Parallel()
	for nanoseconds, want := range map[int]string{
		0: "2026-11-23T09:30:00Z", 999: "2026-11-23T09:30:00Z",
		1000: "2026-11-23T09:30:00.000001Z", 500_000_000: "2026-11-23T09:30:00.500000Z",
	} {
		if got := FormatTime(at.Add(time.Duration(nanoseconds))); got != want {
			t.Errorf("%d ns: %s, want %s", nanoseconds, got, want)
		}
	}
	for _, year := range []int{1, 99, 1582, 1970, 2000, 9999} {
		for day := range 365 {
			at := time.Date(year, 1, day+1, day%24, day%60, (7*day)%60, 1000*day, time.UTC)
			want := at.Format("2006-01-02T15:04:05.000000Z")
			if day == 0 {
				want = at.Format(time.RFC3339)
			}
			if e := (event.Event{Time: at}); FormatTime(at) != want || Size(&e) != len(AppendForm(nil, &e)) {
				t.Errorf("%s, want %s", FormatTime(at), want)
			}
		}
	}
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	base := event.Event{ID: "1", Source: "/s", Type: "T"}
	with := func(change func(*event.Event)) event.Event { e := base; change(&e); return e }
	for text, want := range map[string]event.Event{
		`{"specversion":"1.0","id":"1","source":"/s","type":"T"}`:                base,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","subject":null}`: base,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"2026-11-23T10:30:00+01:00"}`: with(func(e *event.Event) {
			e.Time = at
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"2026-11-23t10:30:00.5z"}`: with(func(e *event.Event) {
			e.Time = time.Date(2026, 11, 23, 10, 30, 0, 500_000_000, time.UTC)
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data":{"a":1,"a":2}}`: with(func(e *event.Event) { // is the sender's own affair
			e.DataContentType, e.Data = "application/json", []byte(`{"a":1,"a":2}`)
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data":{ "a":  1.50 } }`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "application/json", []byte(`{ "a":  1.50 }`)
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data":"x"}`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "application/json", []byte(`"x"`)
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"application/vnd.x+json","data":null}`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "application/vnd.x+json", []byte("null")
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"text/plain","data":"a\nb"}`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "text/plain", []byte("a\nb")
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"image/png","data_base64":"iVBO"}`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "image/png", []byte("\x89PN")
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"text/plain","data":"caf\ufffd \ud83d\ude00 \\ud800"}`: with(func(e *event.Event) {
			e.DataContentType, e.Data = "text/plain", []byte("caf\ufffd 😀 \\ud800")
		}),
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","n":-5,"b":true,"s":"x"}`: with(func(e *event.Event) {
			e.Extensions = map[string]string{"n": "-5", "b": "true", "s": "x"}
		}),
	} {
		got, err := ParseJSON([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		``:                                    "not a JSON object",
		`[]`:                                  "not a JSON object",
		`null`:                                "not a JSON object",
		"{\"id\":\"\xff\"}":                   "not valid UTF-8",
		`{"id":"1","source":"/s","type":"T"}`: "specversion is missing",
		`{"specversion":"0.3","id":"1","source":"/s","type":"T"}`:                                 `specversion "0.3" is not supported`,
		`{"specversion":"1.0","id":7,"source":"/s","type":"T"}`:                                   "id: must be a string",
		`{"specversion":"1.0","id":"1","source":"/s"}`:                                            "type is missing",
		`{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"T"}`:                        `has the member "id" twice`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","i\u0064":"1"}`:                   `has the member "id" twice`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data":1,"data":{"a:b":[2]}}`:     `has the member "data" twice`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","x":"\\","x":null}`:               `has the member "x" twice`,
		"\ufeff" + `{"specversion":"1.0","id":"1","source":"/s","type":"T"}`:                      "begins with a byte order mark",
		`{"specversion":"1.0","id":"1","source":"/my shop","type":"T"}`:                           `source "/my shop": must be a URI reference`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","dataschema":"/s"}`:               `dataschema "/s": must be a URI with its scheme`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"yesterday"}`:              `time "yesterday" is not an RFC 3339 time`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","x":1.5}`:                         "is not an Integer",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","x":{}}`:                          "must be a string, a Boolean or an Integer",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data":1,"data_base64":""}`:       "both data and data_base64",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","data_base64":"?"}`:               "data_base64",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","Trace":"1"}`:                     "only a-z and 0-9",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"2026-01-01T9:30:00Z"}`:    "is not an RFC 3339 time",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"2026-01-01T09:30:00,5Z"}`: "is not an RFC 3339 time",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"0001-01-01T00:00:00Z"}`:   "after the first instant of year 1",
		`{"specversion":null,"id":"1","source":"/s","type":"T"}`:                                  "specversion is missing",
		`{"specversion":"1.0","id":"\ude00\ud83d","source":"/s","type":"T"}`:                      "half of a surrogate pair",
		`{"specversion":"1.0","id":"\ud83dx\ude00","source":"/s","type":"T"}`:                     "half of a surrogate pair",
		`{"specversion":"1.0","id":"\ud800","source":"/s","type":"T"}`:                            "half of a surrogate pair",
		`{"specversion":"1.0","id":"1","source":"/s","type":"T\u0000"}`:                           "control character U+0000",
	} {
		_, err := ParseJSON([]byte(text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want it to say %q", text, err, says)
		}
	}
}
