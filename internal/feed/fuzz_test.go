package feed

import (
	"reflect"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// FuzzWhatTheScannerReadsTheParserReads mutates whole documents: what the scanner
// accepts, the XML parser must read as the same document.
func FuzzWhatTheScannerReadsTheParserReads(f *testing.F) {
	f.Add([]byte(encode(testDocument(Archive, testEvents()))))
	subscription := testDocument(Subscription, testEvents())
	f.Add([]byte(encode(subscription)))
	subscription.Site = true
	f.Add([]byte(encode(subscription)))
	f.Fuzz(func(t *testing.T, body []byte) {
		scanned, err := decodeCanonical(t.Context(), body)
		if err != nil || scanned.checkEntries(t.Context()) != nil {
			return
		}
		parsed, err := decodeXML(t.Context(), body)
		if err != nil {
			t.Fatalf("the parser refuses what the scanner accepts: %v", err)
		}
		sameDocument(t, scanned, parsed)
	})
}

// FuzzEveryEventComesThrough makes documents of arbitrary events: both
// readers must give back what went in.
func FuzzEveryEventComesThrough(f *testing.F) {
	for _, e := range testEvents() {
		f.Add(e.ID, e.Source, e.Type, e.Subject, e.DataContentType, "name", "value", e.Data)
	}
	for _, data := range everyKindOfData {
		if len(data) < 1000 {
			f.Add("1", "/s", "T", "s", "text/plain", "", "", data)
		}
	}
	f.Fuzz(func(t *testing.T, id, source, typ, subject, contentType, name, value string, data []byte) {
		e := event.Event{ID: id, Source: source, Type: typ, Subject: subject, DataContentType: contentType,
			Time: testEvents()[0].Time, Data: data}
		if name != "" {
			e.Extensions = map[string]string{name: value}
		}
		e, err := cloudevents.Normal(e)
		if err != nil || cloudevents.Complete(&e) != nil {
			return
		}
		placed := testEvents()[0]
		placed.Event = e
		d := testDocument(Archive, []event.Placed{placed})
		body := AppendDocument(nil, d)
		scanned, err := decodeCanonical(t.Context(), body)
		if err != nil {
			t.Fatalf("the scanner refuses what the writer wrote: %v\n%s", err, body)
		}
		if !reflect.DeepEqual(scanned, d) {
			t.Fatalf("the scanner read\n%+v\nnot\n%+v", scanned, d)
		}
		parsed, err := decodeXML(t.Context(), body)
		if err != nil {
			t.Fatalf("gofeed: %v\n%s", err, body)
		}
		sameDocument(t, scanned, parsed)
	})
}

// sameDocument compares what the two readers read. gofeed trims white space
// around everything but XML attributes, and there only.
func sameDocument(t *testing.T, scanned, parsed *Document) {
	t.Helper()
	for _, d := range []*Document{scanned, parsed} {
		for _, text := range []*string{&d.ID, &d.Title, &d.Author} {
			*text = strings.TrimSpace(*text)
		}
		for i := range d.Entries {
			e := &d.Entries[i]
			for _, text := range []*string{&e.ID, &e.Source, &e.Subject, &e.DataContentType, &e.DataSchema} {
				*text = strings.TrimSpace(*text)
			}
			for name, value := range e.Extensions {
				e.Extensions[name] = strings.TrimSpace(value)
			}
		}
	}
	if !reflect.DeepEqual(scanned, parsed) {
		t.Fatalf("the scanner read\n%+v\ngofeed read\n%+v", scanned, parsed)
	}
}
