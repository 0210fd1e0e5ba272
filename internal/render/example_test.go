package render_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/render"
)

var at = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func events() []event.Event {
	return []event.Event{
		{ID: "b8b0e2f3-1ea0-57a4-a222-9e58d457cee6", Source: "/orders", Type: "OrderCreated", Subject: "o-1", Time: at, DataContentType: "application/json", Data: []byte(`{"total":12.50}`)},
		{ID: "17", Source: "/orders", Type: "OrderPaid", Subject: "o-1", Time: at.Add(1500 * time.Millisecond), DataContentType: "application/json", DataSchema: "https://example.org/paid.json", Extensions: map[string]string{"traceparent": "00-4bf9-01", "2nd": "5 < 6"}, Data: []byte("{\n  \"by\": \"M&M\"\n}")},
		{ID: "17", Source: "/labels", Type: "LabelPrinted", Subject: `binary "o" & <1>`, Time: at, DataContentType: "image/png", Data: []byte("\x89PNG\r\n")},
		{ID: "n/ö te", Source: "/notes", Type: "Noted", Time: at, DataContentType: "text/html", Data: []byte("<b>1 & 2</b>\n]]>")},
		{ID: "note", Source: "/orders", Type: "Closed", Time: at, Extensions: map[string]string{"authid": "anna@shop.example", "authtype": "user"}},
	}
}

// hostile are events with data of every kind. Subjects of those that people
// cannot be shown begin with "binary".
func hostile() []event.Event {
	all := events()
	for i, e := range []event.Event{
		{Subject: "script", DataContentType: "text/html", Data: []byte(`<script>alert("1")</script><!-- -->`)},
		{Subject: "end of all", DataContentType: "text/plain", Data: []byte(`</pre></description></item></channel></rss>"}]}`)},
		{Subject: "cdata", DataContentType: "text/plain", Data: []byte("<![CDATA[x]]>&amp;&#10;&nosuch;")},
		{Subject: "</title><script>", DataContentType: "text/plain", Data: []byte("\u2028\u2029 📦 e\u0301")},
		{Subject: "half a pair", DataContentType: "application/json", Data: []byte(`{"a":"\ud83d","n":1e999}`)},
		{Subject: "binary control", DataContentType: "text/plain", Data: []byte("a\x00\x1b[31m\x08")},
		{Subject: "binary noncharacter", DataContentType: "text/plain", Data: []byte("a\ufffe")},
		{Subject: "binary latin 1", DataContentType: "text/plain; charset=iso-8859-1", Data: []byte("caf\xe9")},
		{Subject: "no type", Data: []byte("x")},
		{Subject: "ours", DataContentType: "text/plain", Data: []byte("x")},
	} {
		e.ID, e.Source, e.Type, e.Time = fmt.Sprint("h", i), "/h?a=b&c", "Hostile<&>", at.AddDate(-200*i, 0, 0)
		all = append(all, e)
	}
	return all
}

// document is a feed's one document.
func document(kind feed.Kind, events []event.Event) *feed.Document {
	d := &feed.Document{
		Kind: kind, ID: feedID, Name: "orders", Title: "Orders & more", Author: "The <shop>", Updated: at.Add(time.Hour),
		Epochs: []feed.Epoch{{ID: epoch, FirstPosition: 1, FirstPage: 1, DigestBefore: feed.FirstDigest(feedID)}},
		Page:   1, Epoch: epoch, First: 1, Last: int64(len(events)), DigestBefore: feed.FirstDigest(feedID), DigestAfter: feed.FirstDigest(feedID),
	}
	for i, e := range events {
		d.Entries = append(d.Entries, event.Placed{Event: e, Position: int64(i + 1), Recorded: at.Add(time.Hour + time.Duration(i)*time.Microsecond)})
	}
	return d
}

// BenchmarkDocument writes each form of a document of 500 events of JSON, about
// 390 bytes each.
func BenchmarkDocument(b *testing.B) {
	var events []event.Event
	for n := range 500 {
		events = append(events, event.Event{
			ID: fmt.Sprintf("b8b0e2f3-1ea0-57a4-a222-%012x", n), Source: "/orders", Type: "OrderCreated", Subject: "o-1", Time: at, DataContentType: "application/json",
			Data: fmt.Appendf(nil, `{"amount":62.59,"org:resource":"18","dismissal":"NIL","vehicleClass":"A","totalPaymentAmount":0.0,"article":158,"points":%d}`, n),
		})
	}
	d := document(feed.Archive, events)
	var body []byte
	for name, do := range map[string]func() error{
		"atom":        func() error { body = feed.AppendDocument(body[:0], d); return nil },
		"cloudevents": func() error { body = render.AppendBatch(body[:0], d); return nil },
		"rss":         func() (err error) { body, err = render.RSS(d, base); return err },
		"jsonfeed":    func() (err error) { body, err = render.JSONFeed(d, base); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(body)))
			b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
