package feed

import (
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

// benchDocument has 500 entries of JSON, about 390 bytes each.
func benchDocument() *Document {
	var events []event.Placed
	for n := range 500 {
		e := testEvents()[0]
		e.ID = fmt.Sprintf("b8b0e2f3-1ea0-57a4-a222-%012x", n)
		e.Position = int64(n + 1)
		e.Data = fmt.Appendf(nil, `{"amount":62.59,"org:resource":"18","dismissal":"NIL","vehicleClass":"A","totalPaymentAmount":0.0,"article":158,"points":%d}`, n)
		events = append(events, e)
	}
	return testDocument(Archive, events)
}

func BenchmarkPage(b *testing.B) {
	d := benchDocument()
	body := AppendDocument(nil, d)
	for name, do := range map[string]func() error{
		"encode": func() error { body = AppendDocument(body[:0], d); return nil },
		"scan":   func() error { _, err := scanDocument(b.Context(), body); return err },
		"decode": func() error { _, err := Decode(body); return err },
		"check":  func() error { return d.Check() },
		"parser": func() error { _, err := decodeXML(b.Context(), body); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
