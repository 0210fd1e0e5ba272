// Package foreign reads feeds that are not eventfeed's own: Atom and RSS, as
// archived, paged or complete feeds of RFC 5005, or plain.
//
// The chain of archives can only be walked from its newest end back, and is to
// be applied from its oldest on. So a [Reader] works in two steps:
//
//  1. [Reader.Look] walks back, to the oldest archive or to one that has been
//     applied. Of each archive it remembers, in the target, its URL, a hash of its
//     entries, and which version of which entry it has: that is what decides
//     which one of several versions is applied, and from which archive.
//  2. [Reader.Walk] goes forward over what is remembered, and gets each archive
//     that still has something to apply again. Its entries must have the hash
//     that they had on the way back.
//
// What holds at every moment:
//
//   - An entry is applied from the one document that holds its latest known
//     version; where several do, from the oldest archive of them.
//   - An archive is marked as applied in the transaction that applies the last
//     of its entries, or a later one. So is every archive before it.
//   - Positions 1, 2, 3 … are given in the order of applying. They are this
//     consumer's own: another one that began later may count otherwise.
package foreign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// DefaultMaxArchives bounds how many documents a feed may be made of.
const DefaultMaxArchives = 100_000

// DefaultInterval is how long to let pass between two looks at somebody's feed,
// where nobody says how long.
const DefaultInterval = time.Minute

// ErrOtherID says, together with walk.ErrMismatch, that a document has another atom:id
// than the feed, and that its links and entries do not prove that it is of the feed.
// Config.IgnoreID reads it all the same.
var ErrOtherID = errors.New("another atom:id")

// Config says which feed to read.
type Config struct {
	Client *fetch.Client
	URL    *url.URL
	// Interval is how long Next lets pass between two looks. A longer max-age of
	// the server's, up to an hour, takes its place.
	Interval time.Duration
	// MaxArchives bounds how many documents are read on one way back. 0 means
	// DefaultMaxArchives.
	MaxArchives int64
	// Prefetch is how many archives are fetched at once on the way forward. Less
	// than 1 means 1.
	Prefetch int
	// Room bounds the archives that have been fetched, or are being fetched, and
	// are not done with, in bytes. One archive may be larger. 0 means
	// walk.DefaultRoom.
	Room int64
	// IgnoreID reads archives and pages whose atom:id is another one than the feed's,
	// and whose links do not lead back, and goes on with a feed whose atom:id has
	// changed without proof that it is the same one.
	IgnoreID bool
	// KeepSameID applies all entries that share an id, instead of the latest of them.
	KeepSameID bool
	Meter      *walk.Meter  // of archives and pages; nil means none
	Logger     *slog.Logger // nil means discard
}

// Reader reads one feed for one consumer. It is for one goroutine, but Walk's
// runs may be applied by another one.
type Reader struct {
	Config
	ID    string // what the consumer knows the feed by, see Recognize
	Name  string // made of the URL, see nameOf
	Title string
	Kind  Kind

	memory    checkpoint.Memory
	head      *document
	header    http.Header // that the head came with
	sum       [sha256.Size]byte
	named     naming   // what the events of the head were made with
	firstPage *url.URL // where the head is, if URL leads to another page of the feed
	warned    sync.Map // what was said once
	following bool     // Next was called
	look      look
	sharing   sharing
	pages     *spool               // of a paged feed
	neighbor  *fetched             // of the head, as identify has fetched it; record takes it
	seen      map[string]*document // archives that Unread has fetched since the head
}

// fetched is a document as it came.
type fetched struct {
	*document
	from *url.URL // as it was asked for
	body []byte
	kind string // its Content-Type
}

// Open fetches a feed's document.
func Open(ctx context.Context, config Config) (*Reader, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Meter == nil {
		config.Meter = &walk.Meter{}
	}
	if config.MaxArchives <= 0 {
		config.MaxArchives = DefaultMaxArchives
	}
	if config.Room <= 0 {
		config.Room = walk.DefaultRoom
	}
	r := &Reader{Config: config, Name: nameOf(config.URL)}
	if _, err := r.fetchHead(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Use sets the memory of the consumer that reads the feed. Look and Walk need
// it.
func (r *Reader) Use(memory checkpoint.Memory) { r.memory = memory }

// Close frees what the reader holds.
func (r *Reader) Close() { r.pages.close() }

// Fetch fetches the feed's document again.
func (r *Reader) Fetch(ctx context.Context) error {
	_, err := r.fetchHead(ctx)
	return err
}

// Refresh fetches the feed's document again, if it is another one than before,
// which it reports.
func (r *Reader) Refresh(ctx context.Context) (bool, error) {
	return r.fetchHead(ctx, r.conditions()...)
}

// Events are the events that the entries of the feed's own document become, in
// the order of applying.
func (r *Reader) Events() []*event.Event {
	versions := make(map[string]int64)
	for _, v := range r.head.latest() {
		versions[v.Entry] = v.Updated
	}
	var events []*event.Event
	for _, v := range r.head.pick(versions) {
		events = append(events, &v.event)
	}
	return events
}

// Updated is when the feed was changed last, by its own word; zero if it does
// not say.
func (r *Reader) Updated() time.Time { return r.head.updated }

// Epoch is the one epoch of the feed.
func (r *Reader) Epoch() string {
	if r.KeepSameID {
		return epochOfAll(r.ID)
	}
	return EpochOf(r.ID)
}

// Start is the place before the first event.
func (r *Reader) Start() walk.Place {
	return walk.Place{Epoch: r.Epoch(), Digest: feed.FirstDigest(r.ID)}
}

// fetchHead fetches the feed's document, and reports whether it is another one
// than before.
func (r *Reader) fetchHead(ctx context.Context, conditions ...string) (isNew bool, err error) {
	err = r.settled(ctx, func(more ...string) (err error) {
		isNew, err = r.tryHead(ctx, append(more, conditions...))
		return err
	})
	return isNew, err
}

func (r *Reader) tryHead(ctx context.Context, conditions []string) (bool, error) {
	answer, err := r.Client.Get(ctx, r.headURL(), append(conditions, "Accept", accept)...)
	if fetch.IsMissing(err) {
		return false, fmt.Errorf("%w: %w", walk.ErrNotFeed, err)
	}
	if err != nil || answer.NotModified {
		return false, err
	}
	sum := sha256.Sum256(answer.Body)
	if r.head != nil && sum == r.sum {
		r.header = answer.Header
		return false, nil
	}
	body := answer.Body
	answer.Body = nil // so that it is freed once it is parsed
	head, err := parse(ctx, body, answer.URL, answer.Header.Get("Content-Type"), r.limits())
	if isSize(err) {
		return false, &fetch.Error{URL: answer.URL.Redacted(), Err: err}
	}
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", walk.ErrNotFeed, answer.URL.Redacted(), err)
	}
	if first := r.elsewhere(head); first != nil {
		return r.tryFirstPage(ctx, head, first)
	}
	if err := r.takeHead(ctx, head); err != nil {
		return false, err
	}
	r.header, r.sum = answer.Header, sum
	return true, nil
}

func (r *Reader) takeHead(ctx context.Context, head *document) error {
	kind, err := head.kind(ctx)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", walk.ErrNotFeed, head.url.Redacted(), err)
	}
	id := r.statedID(head)
	switch {
	case r.head == nil:
		r.ID = id
	case !head.atom && id != r.ID:
		return mismatch(head.url, "is the feed %q now, was %q", id, r.ID)
	}
	if err := r.nameEntries(ctx, head); err != nil {
		return err
	}
	r.head, r.Title, r.Kind, r.look = head, head.title, kind, look{}
	r.neighbor, r.seen = nil, make(map[string]*document)
	r.warnCharset(head)
	return nil
}

// get fetches an archive or a page of the feed. It keeps the bytes of a page, and those
// of no archive.
func (r *Reader) get(ctx context.Context, target *url.URL) (f *fetched, err error) {
	err = r.settled(ctx, func(conditions ...string) (err error) {
		f, err = r.try(ctx, target, conditions)
		return err
	})
	return f, err
}

func (r *Reader) try(ctx context.Context, target *url.URL, conditions []string) (*fetched, error) {
	started := time.Now()
	answer, err := r.Client.Get(ctx, target, append(conditions, "Accept", accept)...)
	r.Meter.Fetch.Add(int64(time.Since(started)))
	_, elsewhere := errors.AsType[*fetch.OriginError](err)
	switch {
	case fetch.IsMissing(err):
		return nil, fmt.Errorf("%w: the chain of archives breaks off: %w", walk.ErrMismatch, err)
	case errors.Is(err, fetch.ErrBody), elsewhere:
		return nil, fmt.Errorf("%w: %w", walk.ErrMismatch, err)
	case err != nil:
		return nil, err
	}
	started = time.Now()
	f := &fetched{from: target, body: answer.Body, kind: answer.Header.Get("Content-Type")}
	answer.Body = nil // so that it is freed once it is parsed
	size := int64(len(f.body))
	if err := fetch.Hold(ctx, 2*size); err != nil {
		return nil, err
	}
	f.document, err = r.archive(ctx, f, answer.URL)
	r.Meter.Decode.Add(int64(time.Since(started)))
	r.Meter.Pages.Add(1)
	r.Meter.Bytes.Add(size)
	if err != nil {
		return nil, err
	}
	return f, fetch.Hold(ctx, f.document.memory)
}

func (r *Reader) limits() limits { return limitsFor(r.Client.MaxBytes()) }

// archive reads an archive or a page of the feed.
func (r *Reader) archive(ctx context.Context, f *fetched, from *url.URL) (*document, error) {
	body := f.body
	if r.Kind != Paged {
		f.body = nil
	}
	d, err := parse(ctx, body, from, f.kind, r.limits())
	if isLimit(err) {
		return nil, &fetch.Error{URL: from.Redacted(), Err: err}
	}
	if err != nil {
		return nil, mismatch(from, "the chain of archives breaks off: %w", err)
	}
	if err := d.makeEvents(ctx, r.named, r.limits()); err != nil {
		return nil, &fetch.Error{URL: from.Redacted(), Err: err}
	}
	d.settle()
	r.warnCharset(d)
	return d, nil
}

// mismatch says of a URL what does not add up.
func mismatch(at *url.URL, format string, arguments ...any) error {
	return fmt.Errorf("%w: %s: %w", walk.ErrMismatch, at.Redacted(), fmt.Errorf(format, arguments...))
}

// accept is what a reader of feeds asks for.
const accept = "application/atom+xml, application/rss+xml;q=0.9, application/rdf+xml;q=0.8, application/xml;q=0.7, text/xml;q=0.7, */*;q=0.1"
