// Package foreign reads foreign feeds, which eventfeed does not serve: Atom and RSS, as archived,
// paged or complete feeds of RFC 5005, or plain.
//
// The chain of archives can only be followed from its newest end back, but must be applied from its
// oldest archive on. So a [Reader] works in two steps:
//
//  1. [Reader.Look] follows the chain back, to the oldest archive or to one that was applied. It
//     stores each archive in the target: its URL, a hash of its entries, and the versions of its
//     entries. These decide which of several versions is applied, and from which archive.
//  2. [Reader.Walk] goes forward over the stored archives, and fetches each archive again that
//     still has something to apply. Its entries must have the same hash as before.
//
// Invariants:
//
//   - An entry is applied from the document that contains its latest known version; if several do,
//     from the oldest archive of them.
//   - An archive is marked as applied in the transaction that applies the last of its entries, or
//     in a later one. So is every archive before it.
//   - Positions 1, 2, 3 … are assigned in the order of applying. They belong to this consumer:
//     another one that started later may have other positions.
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

// DefaultMaxArchives is the default of Config.MaxArchives.
const DefaultMaxArchives = 100_000

// DefaultInterval is the default time between two polls of a foreign feed.
const DefaultInterval = time.Minute

// ErrOtherID reports, together with walk.ErrMismatch, that a document has another atom:id than the
// feed, and that its links and entries do not prove that it belongs to the feed. Config.IgnoreID
// accepts it.
var ErrOtherID = errors.New("another atom:id")

// Config configures a Reader.
type Config struct {
	Client *fetch.Client
	URL    *url.URL
	// Interval is the time between two polls of Next. A longer max-age of the server, up to an hour,
	// replaces it.
	Interval time.Duration
	// MaxArchives is the maximum number of documents that one Look reads. 0 means DefaultMaxArchives.
	MaxArchives int64
	// Prefetch is the number of archives that Walk fetches at once. Less than 1 means 1.
	Prefetch int
	// Room is the maximum size, in bytes, of the archives that are being fetched or were fetched and not
	// applied yet. A single archive may be larger. 0 means walk.DefaultRoom.
	Room int64
	// IgnoreID accepts archives and pages with another atom:id than the feed's, even if no link leads
	// back, and a feed whose atom:id has changed, without proof that it is the same feed.
	IgnoreID bool
	// KeepSameID applies all entries that share an id, instead of the latest of them.
	KeepSameID bool
	Meter      *walk.Meter  // counts archives and pages; nil means no counts
	Logger     *slog.Logger // nil discards the log
}

// Reader reads one feed for one consumer. Only one goroutine may use it, but another one may apply
// Walk's runs.
type Reader struct {
	Config
	ID    string // the id by which the consumer knows the feed, see Recognize
	Name  string // from the URL, see nameOf
	Title string
	Kind  Kind

	memory    checkpoint.Memory
	head      *document
	header    http.Header // the header of the head's answer
	sum       [sha256.Size]byte
	named     naming   // the naming of the head's events
	firstPage *url.URL // the head's URL, if URL leads to another page of the feed
	warned    sync.Map // warnings that were logged
	following bool     // Next was called
	look      look
	sharing   sharing
	pages     *spool               // the pages of a paged feed
	neighbor  *fetched             // the document before the head, if identify has fetched it; record uses it
	seen      map[string]*document // archives that Unread has fetched since the head
}

// fetched is a document as it was received.
type fetched struct {
	*document
	from *url.URL // the URL of the request
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

// Use sets the consumer's memory of the feed. Look and Walk need it.
func (r *Reader) Use(memory checkpoint.Memory) { r.memory = memory }

// Close releases the reader's resources.
func (r *Reader) Close() { r.pages.close() }

// Fetch fetches the feed's document again.
func (r *Reader) Fetch(ctx context.Context) error {
	_, err := r.fetchHead(ctx)
	return err
}

// Refresh fetches the feed's document again if it has changed, and reports whether it has.
func (r *Reader) Refresh(ctx context.Context) (bool, error) {
	return r.fetchHead(ctx, r.conditions()...)
}

// Events returns the events of the feed's own document, in the order of applying.
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

// Updated returns the time of the last change that the feed states; zero if it states none.
func (r *Reader) Updated() time.Time { return r.head.updated }

// Epoch returns the feed's only epoch.
func (r *Reader) Epoch() string {
	if r.KeepSameID {
		return epochOfAll(r.ID)
	}
	return EpochOf(r.ID)
}

// Start returns the place before the first event.
func (r *Reader) Start() walk.Place {
	return walk.Place{Epoch: r.Epoch(), Digest: feed.FirstDigest(r.ID)}
}

// fetchHead fetches the feed's document, and reports whether it has changed.
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

// get fetches an archive or a page of the feed. It keeps the bytes of pages, but not those of archives.
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

// archive parses an archive or a page of the feed.
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

// mismatch returns a walk.ErrMismatch for a URL.
func mismatch(at *url.URL, format string, arguments ...any) error {
	return fmt.Errorf("%w: %s: %w", walk.ErrMismatch, at.Redacted(), fmt.Errorf(format, arguments...))
}

// accept is the Accept field of requests for feeds.
const accept = "application/atom+xml, application/rss+xml;q=0.9, application/rdf+xml;q=0.8, application/xml;q=0.7, text/xml;q=0.7, */*;q=0.1"
