package feed

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

const (
	testFeedID = "urn:uuid:5d1c7a0e-6a3f-4c55-9a52-3a1f0c7d2b10"
	epochOne   = "0b0f6c5e-8f0d-4a43-8f5e-1d2c3b4a5968"
	epochTwo   = "c1a2b3d4-0001-4000-8000-00000000e002"
)

// everyKindOfData is what data can be, by name: each must come out of a
// document as the bytes that went in.
var everyKindOfData = map[string][]byte{
	"json":               []byte(`{"amount":62.59,"of":["a","b"],"note":"5 < 6 & 7 > 6"}`),
	"json over lines":    []byte("{\n\t\"a\": 1\n}"),
	"text":               []byte("Grüße aus Köln"),
	"xml":                []byte(`<order id="1"><!-- & --><line/></order>`),
	"binary":             {0x00, 0xff, 0xfe, 0x80, 'x'},
	"invalid utf-8":      []byte("caf\xe9"),
	"emoji":              []byte("📦🚚 👩‍👩‍👧"),
	"cdata end":          []byte("a]]>b"),
	"cdata":              []byte("<![CDATA[x]]>"),
	"entities":           []byte("&amp; &#10; &lt; &copy; &nosuch;"),
	"cr lf":              []byte("a\r\nb"),
	"control characters": []byte("a\x01\x1b[31mb"),
	"delete and c1":      []byte("a\x7f\u0085\u009fb"),
	"outer white space":  []byte(" a "),
	"outer line feeds":   []byte("\na\n"),
	"outer no-break":     []byte("\u00a0a\u2003"),
	"noncharacter":       []byte("a\ufffeb"),
	"empty":              nil,
	"1 MiB":              bytes.Repeat([]byte("0123456789abcde\n"), 1<<16),
	"looks like base64":  []byte("dGVzdA=="),
	"an entry's end":     []byte("</content></entry>\n</feed>"),
}

func testEvents() []event.Placed {
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	events := []event.Event{
		{ID: "b8b0e2f3-1ea0-57a4-a222-9e58d457cee6", Source: "/orders", Type: "OrderCreated", Subject: "o-1", Time: at, DataContentType: "application/json", Data: []byte(`{"total":12.50}`)},
		{ID: "17", Source: "/orders", Type: "OrderPaid", Subject: "o-1", Time: at.Add(1500 * time.Millisecond), DataContentType: "application/json", DataSchema: "https://example.org/paid.json", Extensions: map[string]string{"traceparent": "00-4bf9-01", "2nd": "5 < 6"}, Data: []byte("{\n  \"by\": \"M&M\"\n}")},
		{ID: "17", Source: "/labels", Type: "LabelPrinted", Subject: `"o" & <1>`, Time: at, DataContentType: "image/png", Data: []byte("\x89PNG\r\n")},
		{ID: "note", Source: "/orders", Type: "Closed", Time: at},
	}
	placed := make([]event.Placed, len(events))
	for i, e := range events {
		placed[i] = event.Placed{Event: e, Position: int64(i + 1), Recorded: at.Add(time.Hour + time.Duration(i)*time.Microsecond)}
	}
	return placed
}

// testDocument returns a document of events that adds up.
func testDocument(kind Kind, events []event.Placed) *Document {
	d := &Document{
		Kind: kind, ID: testFeedID, Name: "orders", Title: "Orders & more", Author: "The <shop>",
		Updated: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC),
		Epochs:  []Epoch{{ID: epochOne, FirstPosition: 1, FirstPage: 1, DigestBefore: FirstDigest(testFeedID)}},
		Page:    1, Epoch: epochOne,
		First: 1, Last: int64(len(events)), DigestBefore: FirstDigest(testFeedID), Entries: events,
	}
	if kind == Subscription {
		d.Template = ArchiveTemplate(d.Name)
	}
	chain, err := d.chainTo(d.Last, func(Digest) {})
	if err != nil {
		panic(fmt.Sprint("test document: ", err))
	}
	d.DigestAfter = chain.Digest
	return d
}

func encode(d *Document) string { return string(AppendDocument(nil, d)) }

// rewritten is a document as a proxy might write it anew: the same infoset,
// not canonical.
func rewritten(body string) []byte {
	return []byte(strings.NewReplacer("<entry>", "<entry >", "<ef:", "<own:", "</ef:", "</own:", "xmlns:ef", "xmlns:own").Replace(body))
}
