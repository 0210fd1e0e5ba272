package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

const one = `{"specversion":"1.0","id":"1","source":"/s","type":"T"}`

var first = event.Event{ID: "1", Source: "/s", Type: "T"}

// binary are the headers of binary mode, with others in their place.
func binary(contentType string, change ...string) http.Header {
	header := http.Header{}
	for name, value := range map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "T", "content-type": contentType} {
		header.Set(name, value)
	}
	for i := 0; i < len(change); i += 2 {
		header.Set(change[i], change[i+1])
		if change[i+1] == "" {
			header.Del(change[i])
		}
	}
	if contentType == "" {
		header.Del("Content-Type")
	}
	return header
}

// parseRequest reads a request whose body comes from a reader.
func parseRequest(header http.Header, body io.Reader) ([]event.Event, error) {
	return ingest.ParseRequest(header, func() ([]byte, error) { return io.ReadAll(body) })
}

func typed(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

func TestParseRequestReadsEveryMode(t *testing.T) {
	t.Parallel()
	second := event.Event{ID: "2", Source: "/s", Type: "T", DataContentType: "application/json", Data: []byte(`{ "a": 1 }`)}
	const two = `{"specversion":"1.0","id":"2","source":"/s","type":"T","data":{ "a": 1 }}`
	for name, test := range map[string]struct {
		header http.Header
		body   string
		want   []event.Event
	}{
		"structured":                    {typed("application/cloudevents+json"), one, []event.Event{first}},
		"structured, over lines":        {typed("Application/CloudEvents+JSON; charset=UTF-8"), " " + strings.ReplaceAll(two, ",", ",\n") + "\n", []event.Event{second}},
		"structured, with headers too":  {binary("application/cloudevents+json", "ce-id", "7"), one, []event.Event{first}},
		"batch":                         {typed("application/cloudevents-batch+json"), "[" + one + ",\n" + two + "]\n", []event.Event{first, second}},
		"an empty batch":                {typed("application/cloudevents-batch+json; charset=utf-8"), " [ ] ", nil},
		"lines":                         {typed("application/x-ndjson"), one + "\r\n\n " + two, []event.Event{first, second}},
		"lines under the other type":    {typed("application/ndjson; charset=us-ascii"), one + "\n", []event.Event{first}},
		"a mark before one":             {typed("application/cloudevents+json"), "\ufeff" + one, []event.Event{first}},
		"a mark before a batch":         {typed("application/cloudevents-batch+json"), "\ufeff[" + one + "]", []event.Event{first}},
		"a mark before lines":           {typed("application/x-ndjson"), "\ufeff" + one + "\n", []event.Event{first}},
		"a mark in binary data":         {binary("text/plain"), "\ufeffa", []event.Event{{ID: "1", Source: "/s", Type: "T", DataContentType: "text/plain", Data: []byte("\ufeffa")}}},
		"no lines":                      {typed("application/x-ndjson"), "\n", nil},
		"binary":                        {binary("application/json"), `{ "a": 1 }`, []event.Event{{ID: "1", Source: "/s", Type: "T", DataContentType: "application/json", Data: []byte(`{ "a": 1 }`)}}},
		"binary, no JSON":               {binary("application/json; charset=x"), "\xff", []event.Event{{ID: "1", Source: "/s", Type: "T", DataContentType: "application/json; charset=x", Data: []byte("\xff")}}},
		"binary, lines as data":         {binary("application/x-ndjson"), "{}\n", []event.Event{{ID: "1", Source: "/s", Type: "T", DataContentType: "application/x-ndjson", Data: []byte("{}\n")}}},
		"binary, no data":               {binary(""), "", []event.Event{first}},
		"no coding":                     {http.Header{"Content-Type": {"application/cloudevents+json"}, "Content-Encoding": {"Identity"}}, one, []event.Event{first}},
		"a place in another feed":       {typed("application/cloudevents+json"), strings.Replace(one, "}", `,"efposition":"7","efrecorded":"2026-01-01T00:00:00Z","effeed":"f","effeedid":"urn:f","eflive":true}`, 1), []event.Event{first}},
		"a place in another, binary":    {binary("", "ce-efposition", "7"), "", []event.Event{first}},
		"a place in another, and other": {binary("", "ce-efposition", "7", "ce-a", "b"), "", []event.Event{{ID: "1", Source: "/s", Type: "T", Extensions: map[string]string{"a": "b"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRequest(test.header, iotest.OneByteReader(strings.NewReader(test.body)))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

// TestHeadersAreDecoded: CloudEvents 1.0.2, HTTP binding, section 3.1.3.2.
func TestHeadersAreDecoded(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
		"%e2%82%ac":                       "€",
		"%41":                             "A",
		"100%2525":                        "100%25",
		`"a \"b\" \\ c"`:                  `a "b" \ c`,
		`"%22"`:                           `"`,
		`""`:                              "",
		"a+b":                             "a+b",
		`a"b`:                             `a"b`,
		" a\t":                            "a",
		"Köln":                            "Köln",
	} {
		events, err := parseRequest(binary("", "ce-subject", value), http.NoBody)
		if err != nil || events[0].Subject != want {
			t.Errorf("%q: %+v, %v", value, events, err)
		}
	}
	events, err := parseRequest(binary("", "ce-time", "2026-11-23T10:30:00.5%2B01:00", "CE-TraceParent", "00-4bf9-01"), http.NoBody)
	want := event.Event{ID: "1", Source: "/s", Type: "T", Time: time.Date(2026, 11, 23, 9, 30, 0, 5e8, time.UTC), Extensions: map[string]string{"traceparent": "00-4bf9-01"}}
	if err != nil || !reflect.DeepEqual(events, []event.Event{want}) {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	batch, lines, structured := typed("application/cloudevents-batch+json"), typed("application/x-ndjson"), typed("application/cloudevents+json")
	large := fmt.Sprintf(`{"specversion":"1.0","id":"7","source":"/s","type":"T","datacontenttype":"a/b","data":"%s"}`, strings.Repeat("x", event.MaxSize))
	many := strings.Repeat(one+"\n", ingest.MaxRequestEvents+1)
	twice := binary("")
	twice.Add("ce-subject", "a")
	twice.Add("ce-subject", "b")
	for name, test := range map[string]struct {
		header http.Header
		body   string
		reason ingest.Reason
		number int
		id     string
		says   string
	}{
		"no type":                    {nil, one, ingest.UnknownType, 0, "", `media type "" is not supported; send application/cloudevents+json, `},
		"plain JSON":                 {typed("application/json"), one, ingest.UnknownType, 0, "", `media type "application/json" is not supported`},
		"another event format":       {typed("application/cloudevents+avro"), one, ingest.UnknownType, 0, "", `"application/cloudevents+avro" is not supported`},
		"another format, in headers": {binary("application/cloudevents+avro"), one, ingest.UnknownType, 0, "", `"application/cloudevents+avro" is not supported`},
		"two types":                  {http.Header{"Content-Type": {"a/b", "a/c"}}, one, ingest.Unreadable, 0, "", "more than one Content-Type"},
		"a mark before another line": {lines, one + "\n\ufeff" + one, ingest.Unreadable, 2, "", "begins with a byte order mark"},
		"a mark twice":               {structured, "\ufeff\ufeff" + one, ingest.Unreadable, 1, "", "begins with a byte order mark"},
		"a member twice":             {structured, strings.Replace(one, "{", `{"type":"T",`, 1), ingest.Refused, 1, "1", `has the member "type" twice`},
		"a member twice in a batch":  {batch, "[" + one + "," + strings.Replace(one, "{", `{"type":"U",`, 1) + "]", ingest.Refused, 2, "1", `has the member "type" twice`},
		"a source that is no URI":    {structured, strings.Replace(one, `"/s"`, `"/my \"shop\" %zz"`, 1), ingest.Refused, 1, "1", "must be a URI reference"},
		"a source in a header":       {binary("", "ce-source", "/a%20b"), "", ingest.Refused, 1, "1", "must be a URI reference"},
		"a dataschema in a header":   {binary("", "ce-dataschema", "schema.json"), "", ingest.Refused, 1, "1", "must be a URI with its scheme"},
		"a charset":                  {typed("application/cloudevents+json; charset=utf-16"), one, ingest.UnknownType, 0, "", `charset "utf-16" is not supported`},
		"a broken type":              {typed("application/cloudevents+json; charset"), one, ingest.UnknownType, 0, "", "invalid media parameter"},
		"a coding":                   {http.Header{"Content-Encoding": {"gzip"}, "Content-Type": {"application/x-ndjson"}}, one, ingest.UnknownType, 0, "", `content coding "gzip"`},

		"nothing":                   {structured, "", ingest.Unreadable, 1, "", "not a JSON object"},
		"half an event":             {structured, one[:20], ingest.Unreadable, 1, "", "not a JSON object"},
		"two events":                {structured, one + one, ingest.Unreadable, 1, "", "not a JSON object"},
		"no UTF-8":                  {structured, strings.Replace(one, "T", "\xff", 1), ingest.Unreadable, 1, "1", "not valid UTF-8"},
		"a batch as one event":      {structured, "[" + one + "]", ingest.Refused, 1, "", "not a JSON object"},
		"no batch":                  {batch, one, ingest.Unreadable, 0, "", "not a JSON array of events"},
		"an empty body":             {batch, "", ingest.Unreadable, 0, "", "unexpected EOF"},
		"half a batch":              {batch, "[" + one, ingest.Unreadable, 0, "", "unexpected EOF"},
		"half an event of a batch":  {batch, "[" + one + "," + one[:20], ingest.Unreadable, 0, "", "unexpected EOF"},
		"a batch with a gap":        {batch, "[" + one + ",]", ingest.Unreadable, 0, "", "invalid character"},
		"two batches":               {batch, "[][]", ingest.Unreadable, 0, "", "something after its end"},
		"a batch and more":          {batch, "[] x", ingest.Unreadable, 0, "", "not a JSON array"},
		"a number in a batch":       {batch, "[" + one + ",7]", ingest.Refused, 2, "", "not a JSON object, but: number"},
		"no UTF-8 in a batch":       {batch, "[" + one + `,{"id":"` + "\xff" + `"}]`, ingest.Unreadable, 2, "\ufffd", "not valid UTF-8"},
		"a line that is no JSON":    {lines, one + "\n\n" + one[:20] + "\n" + one, ingest.Unreadable, 2, "", "number 2 of the request: not a JSON object"},
		"an event over two lines":   {lines, strings.ReplaceAll(one, ",", ",\n"), ingest.Unreadable, 1, "", "not a JSON object"},
		"no id":                     {structured, strings.Replace(one, `"id":"1",`, "", 1), ingest.Refused, 1, "", "event has no id"},
		"no source":                 {batch, "[" + one + "," + strings.Replace(one, `"source":"/s",`, "", 1) + "]", ingest.Refused, 2, "1", `event "1" has no source`},
		"no type of an event":       {lines, one + "\n" + strings.Replace(one, `"type":"T"`, `"subject":"x"`, 1), ingest.Refused, 2, "1", "type is missing"},
		"no version":                {lines, strings.Replace(one, `"specversion":"1.0",`, "", 1), ingest.Refused, 1, "1", "specversion is missing"},
		"an event of 8 MiB":         {lines, one + "\n" + large, ingest.TooLarge, 2, "7", "event is too large"},
		"data of 8 MiB":             {binary("a/b"), strings.Repeat("x", event.MaxSize+1), ingest.TooLarge, 0, "", "event is too large"},
		"data and all of 8 MiB":     {binary("a/b"), strings.Repeat("x", event.MaxSize), ingest.TooLarge, 1, "1", "event is too large"},
		"many lines":                {lines, many, ingest.TooLarge, 0, "", "more than 10000 events"},
		"many in a batch":           {batch, "[" + strings.ReplaceAll(strings.TrimSpace(many), "\n", ",") + "]", ingest.TooLarge, 0, "", "more than 10000 events"},
		"headers without an id":     {binary("", "ce-id", ""), "", ingest.Refused, 1, "", "event has no id"},
		"headers without a source":  {binary("", "ce-source", ""), "", ingest.Refused, 1, "1", "has no source"},
		"headers without a version": {binary("", "ce-specversion", ""), "", ingest.Refused, 1, "1", "specversion is missing"},
		"headers without a type":    {binary("", "ce-type", ""), "", ingest.Refused, 1, "1", "type is missing"},
		"another version":           {binary("", "ce-specversion", "0.3"), "", ingest.Refused, 1, "1", `specversion "0.3" is not supported`},
		"a time":                    {binary("", "ce-time", "now"), "", ingest.Refused, 1, "1", "is not an RFC 3339 time"},
		"a name with a hyphen":      {binary("", "ce-my-name", "x"), "", ingest.Refused, 1, "1", "only a-z and 0-9"},
		"the type in a header":      {binary("", "ce-datacontenttype", "a/b"), "", ingest.Refused, 1, "1", "ce-datacontenttype must be absent"},
		"a header twice":            {twice, "", ingest.Refused, 1, "1", "ce-subject is there 2 times"},
		"a lone percent sign":       {binary("", "ce-subject", "100%"), "", ingest.Refused, 1, "1", "is not percent-encoded"},
		"an overlong encoding":      {binary("", "ce-subject", "%C0%A0"), "", ingest.Refused, 1, "1", "subject is not valid UTF-8"},
		"half a string":             {binary("", "ce-subject", `"a`), "", ingest.Refused, 1, "1", "not a whole string in double quotes"},
		"more than a string":        {binary("", "ce-subject", `"a"b`), "", ingest.Refused, 1, "1", "not a whole string in double quotes"},
		"an escape at the end":      {binary("", "ce-subject", `"a\`), "", ingest.Refused, 1, "1", "not a whole string in double quotes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := parseRequest(test.header, strings.NewReader(test.body))
			refused, ok := errors.AsType[*ingest.RequestError](err)
			if !ok || events != nil {
				t.Fatalf("%d events, %v", len(events), err)
			}
			if refused.Reason != test.reason || refused.Number != test.number || refused.ID != test.id || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %+v\nwant %+v", refused, test)
			}
		})
	}
}

// TestBodyThatDoesNotEndWellIsNoRequest: in no mode does what came before count.
func TestBodyThatDoesNotEndWellIsNoRequest(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]struct {
		header http.Header
		body   string
	}{
		"structured": {typed("application/cloudevents+json"), one},
		"batch":      {typed("application/cloudevents-batch+json"), "[" + one + "]"},
		"lines":      {typed("application/x-ndjson"), one + "\n"},
		"binary":     {binary("text/plain"), "data"},
	} {
		failed := errors.New("connection is gone")
		events, err := parseRequest(mode.header, io.MultiReader(strings.NewReader(mode.body), iotest.ErrReader(failed)))
		if refused, ok := errors.AsType[*ingest.RequestError](err); !ok || refused.Reason != ingest.Unreadable || !errors.Is(err, failed) || events != nil {
			t.Errorf("%s: %v, %v", name, events, err)
		}
		limited := http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(mode.body)), 3)
		events, err = parseRequest(mode.header, limited)
		if refused, ok := errors.AsType[*ingest.RequestError](err); !ok || refused.Reason != ingest.TooLarge || !strings.Contains(err.Error(), "more than 3 bytes") || events != nil {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

// FuzzParseRequest: what is taken can be appended, and comes through each other
// mode as the same; what is not is refused with a reason.
func FuzzParseRequest(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", "", []byte(one))
	f.Add("application/cloudevents-batch+json", "", "", "", []byte("["+one+","+one+"]"))
	f.Add("application/x-ndjson; charset=utf-8", "", "", "", []byte(one+"\n\n"+one))
	f.Add("text/plain", "1", "Euro%20%E2%82%AC", `"a \" b"`, []byte("data\xff"))
	f.Fuzz(func(t *testing.T, contentType, id, subject, extension string, body []byte) {
		header := typed(contentType)
		if id != "" {
			header = binary(contentType, "ce-id", id, "ce-subject", subject, "ce-name", extension)
		}
		events, err := parseRequest(header, bytes.NewReader(body))
		if err != nil {
			if refused, ok := errors.AsType[*ingest.RequestError](err); !ok || refused.Reason == 0 || events != nil {
				t.Fatalf("%d events, %v", len(events), err)
			}
			return
		}
		if len(events) == 0 {
			return
		}
		var lines, batch []byte
		for i := range events {
			e := events[i]
			normal, err := cloudevents.Normal(e)
			if err != nil || !reflect.DeepEqual(normal, e) || e.ID == "" || e.Source == "" {
				t.Fatalf("%+v, %v", e, err)
			}
			lines = append(cloudevents.AppendJSON(lines, &e), '\n')
			batch = cloudevents.AppendJSON(append(batch, ','), &e)
		}
		batch = append(append([]byte{'['}, batch[1:]...), ']')
		for contentType, body := range map[string][]byte{"application/x-ndjson": lines, "application/cloudevents-batch+json": batch} {
			again, err := parseRequest(typed(contentType), bytes.NewReader(body))
			must.OK(t, err)
			if !reflect.DeepEqual(again, events) {
				t.Fatalf("%s: %+v\nwant %+v", contentType, again, events)
			}
		}
	})
}
