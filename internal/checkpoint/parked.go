package checkpoint

import (
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Entity is the entity that events of one feed with one subject are about.
type Entity struct{ FeedID, Subject string }

// EntityOf returns the entity that an event is about; ok is false if there is
// none, because the event has no subject.
func EntityOf(e *event.Delivered) (entity Entity, ok bool) {
	return Entity{FeedID: e.FeedID, Subject: e.Subject}, e.Subject != ""
}

// Parked is an event that waits in the target because it, or an earlier event of its entity,
// cannot be applied.
type Parked struct {
	Consumer string
	event.Delivered
	Error    string    // the error of the last attempt; empty if the event only waits for an earlier one
	Attempts int       // how often it was tried
	Since    time.Time // when it was parked
}

// ParkedFilter selects parked events. Its zero value selects all of them.
type ParkedFilter struct {
	Consumer string // empty: every consumer
	Feed     string // name or id of the feed; empty: every feed
	Subject  string // the entity; empty: every entity, and events about none
}

// ParkedPlace is the place of a parked event among those of its consumer, which are ordered by
// feed id and position.
type ParkedPlace struct {
	FeedID   string
	Position int64
}

// ParkedCount is the number of a consumer's parked events of a feed.
type ParkedCount struct {
	Consumer string
	FeedID   string
	Events   int64
	Since    time.Time // when the first of them was parked
}

// Failures counts the events of a consumer that are parked because they failed themselves.
type Failures struct {
	Events   int64 // at most MaxFailures+1
	Entities int64 // of which these events are the first parked ones; events without a subject have none
	Errors   int64 // number of different errors
	Frequent []Failure
}

// Failure is an error that parked events have.
type Failure struct {
	Error   string
	Events  int64
	Example Parked // the first of them by feed id and position
	// IsCut means that Example has no source, time, extensions and data, because the event is longer
	// than MaxExample.
	IsCut bool
}

// MaxFailures is the number of failed events up to which Failures counts: the first ones by feed
// id and position. FrequentFailures is the maximum number of errors that it names, and MaxExample the
// maximum size of their examples.
const (
	MaxFailures      = 1000
	FrequentFailures = 5
	MaxExample       = 64 << 10 // bytes of an event in JSON
)

// The limits of a ParkedPage.
const (
	ParkedPageEvents = 500
	parkedPageBytes  = 16 << 20
)

// ParkedPage holds the parked events that are read at a time.
type ParkedPage struct {
	Events []Parked
	bytes  int
}

// Add adds an event, and reports whether there is room for more.
func (p *ParkedPage) Add(parked Parked, size int) bool {
	p.Events = append(p.Events, parked)
	p.bytes += size
	return p.bytes < parkedPageBytes
}

// Stored returns the event as it is stored in its column.
func (p *Parked) Stored() []byte { return cloudevents.AppendJSON(nil, &p.Event) }

// Restore sets the event from the text in its column.
func (p *Parked) Restore(text []byte) (err error) {
	if p.Event, err = cloudevents.ParseJSON(text); err != nil {
		return fmt.Errorf("parked event at position %d of feed %s: %w", p.Position, p.Feed, err)
	}
	return nil
}

// RestoreExample sets the example from its column, which is nil if the event is longer than MaxExample.
func (f *Failure) RestoreExample(text []byte) error {
	if f.IsCut = text == nil; f.IsCut {
		return nil
	}
	return f.Example.Restore(text)
}

// maxError is the maximum length of a stored error, in bytes.
const maxError = 4096

// ErrorText returns the error in a form that every database accepts.
func (p *Parked) ErrorText() string {
	text := strings.ReplaceAll(strings.ToValidUTF8(p.Error, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + " …"
	}
	return text
}
