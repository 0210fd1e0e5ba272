package checkpoint

import (
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Entity is what events of one feed with one subject are about.
type Entity struct{ FeedID, Subject string }

// EntityOf returns the entity that an event is about; ok is false if there is
// none, because the event has no subject.
func EntityOf(e *event.Delivered) (entity Entity, ok bool) {
	return Entity{FeedID: e.FeedID, Subject: e.Subject}, e.Subject != ""
}

// Parked is an event that waits in the target: it cannot be applied, or an earlier
// event of its entity cannot.
type Parked struct {
	Consumer string
	event.Delivered
	Error    string    // of the last attempt to apply it; empty if it only waits for an earlier one
	Attempts int       // to apply it
	Since    time.Time // when it was parked
}

// ParkedFilter selects parked events. Its zero value selects all of them.
type ParkedFilter struct {
	Consumer string // empty: every consumer
	Feed     string // name or id of the feed; empty: every feed
	Subject  string // the entity; empty: every entity, and events about none
}

// ParkedPlace is the place of a parked event among those of its consumer. They
// are in the order of feed ids, and in each feed in that of positions.
type ParkedPlace struct {
	FeedID   string
	Position int64
}

// ParkedCount is how many events of a feed a consumer has parked.
type ParkedCount struct {
	Consumer string
	FeedID   string
	Events   int64
	Since    time.Time // of the one parked first
}

// How much of the parked events is read at a time.
const (
	ParkedPageEvents = 500
	parkedPageBytes  = 16 << 20
)

// ParkedPage is what is read at a time.
type ParkedPage struct {
	Events []Parked
	bytes  int
}

// Add reports whether there is room for more.
func (p *ParkedPage) Add(parked Parked, size int) bool {
	p.Events = append(p.Events, parked)
	p.bytes += size
	return p.bytes < parkedPageBytes
}

// Stored is the event as its column holds it.
func (p *Parked) Stored() []byte { return cloudevents.AppendJSON(nil, &p.Event) }

// Restore sets the event to what its column holds.
func (p *Parked) Restore(text []byte) (err error) {
	if p.Event, err = cloudevents.ParseJSON(text); err != nil {
		return fmt.Errorf("parked event at position %d of feed %s: %w", p.Position, p.Feed, err)
	}
	return nil
}

// maxError is how much of an error is kept, in bytes.
const maxError = 4096

// ErrorText is the error as every database takes it.
func (p *Parked) ErrorText() string {
	text := strings.ReplaceAll(strings.ToValidUTF8(p.Error, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + " …"
	}
	return text
}
