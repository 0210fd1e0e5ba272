// Package event defines an event: a fact that a service publishes, with the
// attributes of CloudEvents 1.0.
//
// A publisher makes an [Event], with [NewJSON] or as a literal, and hands it to
// package outbox, which fills in what is left out and refuses what cannot be
// published. A consumer gets a [Delivered] from package seed: the event, its place
// in the feed, and the feed that it comes from.
//
// Two events are the same event with the same content if all their attributes are
// equal, once the time is in UTC and cut to the microsecond.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Limits of an event, in bytes but for MaxExtensions, which is a number: each
// extension takes some hundred bytes of memory besides its own.
const (
	MaxID        = 255     // of an id
	MaxAttribute = 1024    // of source, type, subject, datacontenttype and dataschema
	MaxName      = 64      // of an extension's name
	MaxSize      = 8 << 20 // of all attributes and the data, with 4 bytes for each of them

	MaxExtensions = 1000
)

// ErrTooLarge reports that an event has more than [MaxSize] bytes.
var ErrTooLarge = errors.New("event is too large")

// ErrTooMany reports that an event has more than [MaxExtensions].
var ErrTooMany = errors.New("event has too many extensions")

// Event is a fact, with the attributes of CloudEvents 1.0 (section 3). An attribute
// with its zero value is left out; absent and empty data are the same.
type Event struct {
	// ID is unique together with Source. An append of both a second time is no
	// second event. Left out, it becomes a UUID of version 7.
	ID string
	// Source is who says so: a URI reference (RFC 3986). Left out, it becomes a
	// slash and the feed's name.
	Source string
	// Type is what kind of fact it is, such as OrderPaid. It must be there.
	Type string
	// Subject is the entity that it is about, such as an order's number.
	Subject string
	// Time is when it happened, in the years 1 to 9999. Left out, it becomes the
	// time of the append.
	Time time.Time
	// DataContentType is the media type of Data.
	DataContentType string
	// DataSchema is a URI with its scheme.
	DataSchema string
	// Extensions are further attributes, by names of a-z and 0-9; values are
	// canonical CloudEvents strings (section 3.2), so true, 7 and text alike.
	Extensions map[string]string
	// Data is the content, published to the byte.
	Data []byte
}

// NewJSON returns an event whose content is data encoded by encoding/json, with the media type
// application/json. It returns the error of [json.Marshal].
func NewJSON(eventType, subject string, data any) (Event, error) {
	content, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("data of a %.80s: %w", eventType, err)
	}
	return Event{Type: eventType, Subject: subject, DataContentType: "application/json", Data: content}, nil
}

// Placed is an event with its place in a feed.
type Placed struct {
	Event
	Position int64     // 1, 2, 3 … without gaps
	Recorded time.Time // when the event got its position, to the microsecond
}

// Delivered is an event as a consumer gets it, with its feed.
type Delivered struct {
	Placed
	Feed   string // the feed's name
	FeedID string // the feed's id, urn:uuid:…
	// Live reports that the event came after the initial seed, that is, after the end that the feed
	// had when the consumer first read it.
	Live bool
}
