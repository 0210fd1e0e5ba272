package feed

import (
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

const entryStart = xmlStart + `<entry xmlns="` + AtomNamespace + `" xmlns:ce="` + CloudEventNamespace +
	`" xmlns:ef="` + Namespace + `">` + "\n"

// AppendEntryDocument appends an Atom Entry Document (RFC 4287, section 2) of
// one event of the feed, of which ID, Name, Title and Author count. The entry
// has the elements that it has in the feed's documents, and before them what it
// gets from the feed there: author (section 4.1.2), source (section 4.2.11) and
// a link to the collection that it is a member of (RFC 6573). The feed's updated is
// what it was when the event was its newest one, so that the document does not change
// with the feed. Its URL must be
// that of [EventPath]: the links are relative to it.
func AppendEntryDocument(b []byte, d *Document, e *event.Placed) []byte {
	b = append(b, entryStart...)
	b = append(b, "<author>"...)
	b = appendElement(b, "name", d.Author)
	b = append(b, "</author>\n"...)
	_, self, _ := strings.Cut(EventPath(d.Name, e.Source, e.ID), "/events/")
	b = appendLink(b, "self", "../events/"+self)
	b = appendLink(b, "collection", "../../"+d.Name)
	b = append(b, "<source>"...)
	b = appendElement(b, "id", d.ID)
	b = appendElement(b, "title", d.Title)
	b = append(b, "<updated>"...)
	b = cloudevents.AppendTime(b, e.Recorded)
	b = append(b, "</updated></source>\n"...)
	b = appendEntryElements(b, e, 0)
	return append(b, "\n</entry>\n"...)
}
