package feed

import (
	"bytes"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Memory that an entry and an extension take besides their texts, in bytes, roughly.
const (
	entryMemory     = 400
	extensionMemory = 80
)

// Detach makes a decoded document independent of the body that it was decoded from, of
// this many bytes, where that is much larger than what the document needs of it. It
// returns about how many bytes of memory the document takes now.
func (d *Document) Detach(body int) int64 {
	texts, besides := 0, len(d.Entries)*entryMemory
	for i := range d.Entries {
		texts += cloudevents.Size(&d.Entries[i].Event)
		besides += len(d.Entries[i].Extensions) * extensionMemory
	}
	if body < maxSmall/2 || body < 2*texts {
		return int64(body + besides)
	}
	d.ID, d.Name, d.Title, d.Author = strings.Clone(d.ID), strings.Clone(d.Name), strings.Clone(d.Title), strings.Clone(d.Author)
	d.Epoch, d.Template = strings.Clone(d.Epoch), strings.Clone(d.Template)
	for i := range d.Epochs {
		d.Epochs[i].ID = strings.Clone(d.Epochs[i].ID)
	}
	if d.Next != nil {
		d.Next.Epoch = strings.Clone(d.Next.Epoch)
	}
	for i := range d.Entries {
		detach(&d.Entries[i].Event)
	}
	return int64(texts + besides)
}

func detach(e *event.Event) {
	for _, text := range []*string{&e.ID, &e.Source, &e.Type, &e.Subject, &e.DataContentType, &e.DataSchema} {
		*text = strings.Clone(*text)
	}
	e.Data = bytes.Clone(e.Data)
	if e.Extensions == nil {
		return
	}
	extensions := make(map[string]string, len(e.Extensions))
	for name, value := range e.Extensions {
		extensions[strings.Clone(name)] = strings.Clone(value)
	}
	e.Extensions = extensions
}
