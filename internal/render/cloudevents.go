package render

import (
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// AppendBatch appends a document's events in the JSON Batch Format of
// CloudEvents 1.0.2, one on each line, each as [cloudevents.AppendPlacedJSON] writes
// it. Their order is that of the Atom document: oldest first in an archive,
// newest first in the subscription document and in a delta.
func AppendBatch(b []byte, d *feed.Document) []byte {
	b = append(b, '[')
	separator := "\n"
	for e := range d.Listed() {
		b = append(b, separator...)
		b = cloudevents.AppendPlacedJSON(b, e)
		separator = ",\n"
	}
	if len(d.Entries) > 0 {
		b = append(b, '\n')
	}
	return append(b, "]\n"...)
}
