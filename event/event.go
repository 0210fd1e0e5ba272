// Package event defines an event of a feed: a fact, with the attributes of
// CloudEvents 1.0, in a normal form that is the same however it was written.
//
// Everything that compares, stores or hashes an event works on its normal
// form (see [Event.Normal]): two events are the same event with the same
// content exactly if their normal forms are equal.
package event

import "time"

// Limits of an event in normal form, in bytes but for MaxExtensions, which is a
// number: each extension takes some hundred bytes of memory besides its own.
const (
	MaxID        = 255     // of an id
	MaxAttribute = 1024    // of source, type, subject, datacontenttype and dataschema
	MaxName      = 64      // of an extension's name
	MaxSize      = 8 << 20 // of the whole event, see [Event.Size]

	MaxExtensions = 1000
)

// Event is a fact, with the attributes of CloudEvents 1.0. An attribute with
// its zero value is left out; absent and empty data are the same.
type Event struct {
	ID              string // unique together with Source
	Source          string // who says so, a URI reference (RFC 3986)
	Type            string // what kind of fact it is; the only attribute that must be there
	Subject         string // the entity that it is about
	Time            time.Time
	DataContentType string
	DataSchema      string            // a URI
	Extensions      map[string]string // values as canonical CloudEvents strings
	Data            []byte
}

// Placed is an event with its place in a feed.
type Placed struct {
	Event
	Position int64     // 1, 2, 3 … without gaps
	Recorded time.Time // when the event got its position, to the microsecond
}

// Delivered is an event as a reader hands it to what applies it: with the feed
// that it comes from.
type Delivered struct {
	Placed
	Feed   string // the feed's name
	FeedID string
	// Live says that the event is news: it lies behind the end that the feed had
	// when the consumer read it for the first time.
	Live bool
}
