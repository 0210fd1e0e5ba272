// Package feed is the protocol between a server and its readers, without any
// input or output: documents, paths, digests, encoding and decoding.
//
// The way of the data through eventfeed:
//
//	outbox.Append(tx) → events + pending → sequencer → positions → sealer → page
//	  → internal/server → HTTP → internal/walk → Decode
//	  → one transaction { sink, checkpoint }
//
// What holds at every moment, and what the code on both sides relies on:
//
//   - Positions of a feed are 1, 2, 3 … without gaps, and never change.
//   - digest(p) fixes the whole history up to p, see [Chain].
//   - A page is a consecutive run of events of one epoch. Its bounds never
//     change once it is closed, its bytes never once it is final, see [Archive].
//   - Stored bytes know no host: every link in a document is relative.
package feed

import (
	"iter"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// Format is the version of the wire format that this package writes.
const Format = 1

// XML namespaces of a document. Namespace is eventfeed's own.
const (
	AtomNamespace       = "http://www.w3.org/2005/Atom"
	HistoryNamespace    = "http://purl.org/syndication/history/1.0" // RFC 5005
	CloudEventNamespace = "http://cloudevents.io/xmlformat/V1"
	Namespace           = "urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243"
)

// ContentType is the media type of the documents, RFC 4287 section 7.
const ContentType = "application/atom+xml"

// Bounds and defaults of a feed's pages.
const (
	DefaultPageSize  = 500
	MaxPageSize      = 10_000
	DefaultPageBytes = 4 << 20
	MaxPageBytes     = 8 << 20 // escaped, what a page holds may become ten times longer
)

// MaxDocument bounds a document of this format, in bytes: no page that a server may
// write is larger. A subscription document may hold a page of MaxPageBytes that takes
// more events, and as many bytes of archived events before it. Of what an event counts
// up to ten bytes may be written for one: its type stands in the document twice, and an
// ampersand is five bytes. The rest is for the elements around that.
const MaxDocument = 10*2*MaxPageBytes + (MaxPageSize+MinEntries)*1500

// Kind tells the two documents apart.
type Kind int

// The kinds of documents of RFC 5005 section 4.
const (
	Subscription Kind = iota // the feed's own URL: what is not in an archive yet
	Archive                  // a sealed page. The newest one has no link to a next one; a final one has, and never changes
)

// Document is a subscription or archive document. Entries are in the order
// of positions, whatever the order in the document.
type Document struct {
	Kind    Kind
	ID      string // the feed's, urn:uuid:…
	Name    string
	Title   string
	Author  string
	Updated time.Time // recorded time of the newest entry, or of the feed's creation
	Epochs  []Epoch   // oldest first; in an archive those that were known when it was sealed

	Page     int64 // number of the archive, or of the page that is not archived yet
	Epoch    string
	Archives int64          // how many archives there are; subscription document only
	Template string         // of their URLs, relative to the feed's own, see ExpandTemplate; subscription document only
	Site     bool           // its own URL is that of a site, see SitePath; subscription document only
	Held     bool           // no event gets a position until the feed is opened; subscription document only
	Next     *Page          // archive only: the page after it; nil while it is the newest
	Entities bool           // the events have versions, by their subjects; of a document of a log only, and in none of its forms
	Archived *ArchivedTypes // of the events before those that are not archived; subscription document of a log only

	First        int64 // position of the first entry; First = Last+1 if there is none
	Last         int64
	DigestBefore Digest // digest(First-1)
	DigestAfter  Digest // digest(Last)
	Entries      []event.Placed
	Digests      []Digest // at each entry's position, of a document made from a log or checked; else nil
}

// Listed gives the entries in the order in which every form of the document
// lists them: an archive oldest first, the subscription document newest first,
// as its readers expect.
func (d *Document) Listed() iter.Seq[*event.Placed] {
	return func(yield func(*event.Placed) bool) {
		for i := range d.Entries {
			if d.Kind == Subscription {
				i = len(d.Entries) - 1 - i
			}
			if !yield(&d.Entries[i]) {
				return
			}
		}
	}
}

// Epoch is the identity of a stretch of history, a UUID. Where a new one
// starts, history may have been lost.
type Epoch struct {
	ID            string
	FirstPosition int64
	FirstPage     int64
	DigestBefore  Digest // digest(FirstPosition-1)
}

// Place is a place in a feed's history: a position with all that identifies
// the history up to there.
type Place struct {
	Epoch    string // of the event at Position
	Position int64
	Digest   Digest
}

// Page names an archive. The same number may have stood in an epoch that
// ended before it; only both together name one page.
type Page struct {
	Epoch  string
	Number int64
}

// EpochOfPage returns the epoch that the page with this number belongs to:
// of those that start at or before it the last.
func EpochOfPage(epochs []Epoch, page int64) string {
	for i := len(epochs) - 1; i > 0; i-- {
		if epochs[i].FirstPage <= page {
			return epochs[i].ID
		}
	}
	return epochs[0].ID
}

// EpochOfPosition returns the epoch that a position belongs to. Position 0,
// before the first event, belongs to the first epoch.
func EpochOfPosition(epochs []Epoch, position int64) string {
	for i := len(epochs) - 1; i > 0; i-- {
		if epochs[i].FirstPosition <= position {
			return epochs[i].ID
		}
	}
	return epochs[0].ID
}
