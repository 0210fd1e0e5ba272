package server

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// A client can ask by as many hosts, and from as many positions, as it likes.
func TestWhatClientsMakeUpTakesLittleMemory(t *testing.T) {
	t.Parallel()
	const data, events = 2_000, 100
	d := &feed.Document{Kind: feed.Subscription, ID: "urn:uuid:f", Name: "f", First: 1, Last: events}
	for i := range events {
		e := event.Event{ID: fmt.Sprint(i), Source: "/s", Type: "T", DataContentType: "text/plain", Data: bytes.Repeat([]byte("x"), data)}
		d.Entries = append(d.Entries, event.Placed{Event: e, Position: int64(i + 1)})
	}
	v := newVersion(&store.Feed{}, d, newRoom(makingRoom))
	for i := range 100 {
		for _, key := range []representationKey{
			{form: rssForm, base: fmt.Sprintf("http://%d.example", i)},
			{form: batchForm, isDelta: true, since: int64(i)},
		} {
			if _, err := v.representation(key); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := 0
	for _, e := range v.representations {
		kept += len(e.content)
	}
	if size := data * events; kept > 3*size || kept < size {
		t.Errorf("%d bytes are kept of a document of %d", kept, size)
	}
	key := representationKey{form: batchForm, coding: gzipCoding}
	first, err := v.representation(key)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := v.representation(key); second != first {
		t.Error("the whole document is written again each time")
	}
}
