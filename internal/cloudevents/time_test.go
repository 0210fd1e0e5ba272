package cloudevents_test

import (
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// times are texts, and what RFC 3339 has them stand for; empty for none.
var times = map[string]string{
	"2026-11-23T09:30:00Z":                "2026-11-23T09:30:00Z",
	"2026-11-23t09:30:00z":                "2026-11-23T09:30:00Z",
	"2026-11-23t09:30:00.5+01:00":         "2026-11-23T08:30:00.500000Z",
	"2026-11-23T09:30:00-23:59":           "2026-11-24T09:29:00Z",
	"2026-11-23T09:30:00.123456789123z":   "2026-11-23T09:30:00.123456Z",
	"2016-12-31T23:59:60Z":                "2017-01-01T00:00:00Z",
	"1998-12-31t23:59:60.75z":             "1999-01-01T00:00:00.750000Z",
	"1990-12-31T15:59:60-08:00":           "1991-01-01T00:00:00Z",
	"2015-07-01T01:59:60+02:00":           "2015-07-01T00:00:00Z",
	"2024-02-29T00:00:00Z":                "2024-02-29T00:00:00Z",
	"0001-01-01T00:00:01Z":                "0001-01-01T00:00:01Z",
	"9999-12-31T23:59:59.999999Z":         "9999-12-31T23:59:59.999999Z",
	"2026-11-23T09:30:60Z":                "", // no leap second
	"2016-12-31T22:59:60Z":                "",
	"2016-12-30T23:59:60Z":                "",
	"2016-12-31T23:59:61Z":                "",
	"2026-02-29T00:00:00Z":                "",
	"2026-13-01T00:00:00Z":                "",
	"2026-00-10T00:00:00Z":                "",
	"2026-11-23T24:00:00Z":                "",
	"2026-11-23T09:60:00Z":                "",
	"2026-11-23 09:30:00Z":                "",
	"2026-11-23T9:30:00Z":                 "",
	"2026-11-23T09:30:00,5Z":              "",
	"2026-11-23T09:30:00.Z":               "",
	"2026-11-23T09:30:00":                 "",
	"2026-11-23T09:30Z":                   "",
	"2026-11-23T09:30:00+24:00":           "",
	"2026-11-23T09:30:00+23:60":           "",
	"2026-11-23T09:30:00+0100":            "",
	"2026-11-23T09:30:00Zx":               "",
	"2026-11-23T09:30:00 Z":               "",
	"\u0662026-11-23T09:30:00Z":           "",
	"0001-01-01T00:00:00Z":                "", // stands for no time
	"":                                    "",
	"yesterday":                           "",
	"2026/11/23T09:30:00Z":                "",
	"2026-11-23T09.30.00Z":                "",
	"20026-11-23T09:30:00Z":               "",
	"-026-11-23T09:30:00Z":                "",
	"2026-11-23T09:30:00\u2212" + "01:00": "",
}

func TestTimesAreThoseOfRFC3339(t *testing.T) {
	t.Parallel()
	for text, want := range times {
		got := ""
		if parsed, err := cloudevents.ParseTime(text); err == nil {
			got = cloudevents.FormatTime(parsed.Truncate(time.Microsecond))
		}
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func BenchmarkParseTime(b *testing.B) {
	for b.Loop() {
		if _, err := cloudevents.ParseTime("2026-11-23T09:30:00.500000Z"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	e := event.Event{ID: "1", Source: "https://shop.example/orders", Type: "OrderPlaced", Time: time.Now(), DataContentType: "application/json"}
	for b.Loop() {
		if _, err := cloudevents.Normal(e); err != nil {
			b.Fatal(err)
		}
	}
}
