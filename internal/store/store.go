// Package store is the log: the database that holds the histories of feeds.
//
// [Log] decides what each step does and in which order; a [Backend] does it in one kind of
// database (packages postgres and sqlite). Each step of the sequencer and the sealer is a
// single transaction, so a crash at any instant leaves the log as it was before the step or
// as it is after it.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Errors that callers tell apart.
var (
	ErrNoFeed       = errors.New("no such feed")
	ErrFeedExists   = errors.New("feed exists already")
	ErrNoPage       = errors.New("no such page")
	ErrPageGone     = errors.New("page belongs to a history that was lost")
	ErrDoesNotAddUp = errors.New("the log fails verification")
	ErrMoved        = errors.New("this database is another one than the history was written on, and no epoch has begun on it yet")
	ErrReadOnly     = errors.New("the database is read-only, as a standby is until it is promoted, and a primary that was fenced; writes need the primary")
)

// Feed is a feed as its row in the log holds it.
type Feed struct {
	Key       int64  // the log's own number for it
	ID        string // urn:uuid:…
	Name      string
	Title     string
	Author    string
	PageSize  int
	PageBytes int
	Created   time.Time
	Modified  time.Time // whole seconds, see [Feed.modify]
	Identity  string    // of the database that the history was last written on, see [Tx.Lock]
	Moved     bool      // the feed was read from another database than that: history may have lost its end, and a new epoch is about to begin
	Epochs    []feed.Epoch
	Held      bool // not sequenced until it is opened
	Entities  bool // its events have versions, by their subjects

	Position int64 // last one given
	Digest   feed.Digest
	Open     OpenPage

	Archives   int64       // number of sealed pages
	ArchivedTo int64       // last position of the newest archive
	Published  int64       // last position that documents show: nothing beyond the first full but unsealed page
	Shown      feed.Digest // at that position
	Updated    time.Time   // recorded time of that event; Created if there is none
}

// OpenPage is the page that events are being placed on.
type OpenPage struct {
	Number int64
	First  int64 // position of its first event
	Bytes  int64 // of the events on it, in normal form
}

// Epoch is the feed's current epoch.
func (f *Feed) Epoch() string { return f.Epochs[len(f.Epochs)-1].ID }

// Page is a closed page. Its bounds never change.
type Page struct {
	Number      int64
	First, Last int64
}

// Position is an event's place, to be written.
type Position struct {
	Position int64
	InsertNo int64
	Digest   feed.Digest
}

// Row is a placed event with what the log knows about it besides.
type Row struct {
	event.Placed
	Digest feed.Digest
}

// Stage is how far a stored archive has got.
type Stage string

// The stages: an archive is stored as newest, and once more, with the link to
// the page after it, when that one is sealed.
const (
	Newest Stage = "newest"
	Final  Stage = "final"
)

// Document is a sealed page as it is stored, put once and never changed.
type Document struct {
	Page  feed.Page
	Stage Stage
	Body  []byte // canonical form, compressed with zstd
}

// Backend is a database that holds logs.
type Backend interface {
	Reader
	// Write runs step in one transaction and returns once it is durable. If
	// step returns an error nothing of it remains. It waits no longer than wait for
	// a lock that another session holds. A deadline of ctx holds at the server, too:
	// if this process is gone by then, the transaction is as well.
	Write(ctx context.Context, wait time.Duration, step func(Tx) error) error
	// Append adds events at the end, in their order and in one transaction,
	// as package outbox does it, and returns how many were not there already.
	Append(ctx context.Context, name string, events []event.Event) (int, error)
	// Lead reports whether this process is the one that should poll closely;
	// others on the same database poll once a second. Nothing hangs on it but
	// the load: any number of sequencers behave as one.
	Lead(ctx context.Context) (bool, error)
	Close()
}

// Snapshot is a log as it was at one moment. What a document says, and what an
// answer promises of it, comes from one snapshot: a feed's row and events that
// are read one after the other may be of different histories, if the database
// fails over in between.
type Snapshot interface {
	// Feed returns ErrNoFeed, wrapped, if there is none of that name.
	Feed(ctx context.Context, name string) (Feed, error)
	// Find returns the positions of the events with this id, in order: one from
	// each source, or the one from source if that is not empty. It looks through
	// the first MaxSources sources of the feed.
	Find(ctx context.Context, key int64, source, id string) ([]int64, error)
	// Rows calls yield with the events from position first to last in order.
	Rows(ctx context.Context, key, first, last int64, yield func(*Row) error) error
	// Document returns the stored archive in its latest stage, or ErrNoPage.
	Document(ctx context.Context, key int64, page feed.Page) (Document, error)
}

// Reader is what reads outside of a writing transaction. Its own methods of
// Snapshot read each at a moment of its own.
type Reader interface {
	Snapshot
	// Read calls read with the log as it is at one moment.
	Read(ctx context.Context, read func(Snapshot) error) error
	// Feeds returns all feeds by name.
	Feeds(ctx context.Context) ([]Feed, error)
	// Versions returns, by the feeds' names, what changes with each change of a
	// feed's row.
	Versions(ctx context.Context) (map[string]string, error)
	// Watch calls changed for each feed whose row any process has changed, with
	// an empty name where it may be any, until ctx is done. It ends earlier,
	// with an error, where nobody can tell. It must not be relied on alone.
	Watch(ctx context.Context, changed func(name string)) error
	// Placed returns the positions of events by their sources and ids, 0 for
	// each that has none.
	Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error)
	// Pending counts a feed's events that have no position yet.
	Pending(ctx context.Context, key int64) (int64, error)
	// Unplaced counts a feed's events that have no position and are not
	// pending either, of which there must be none.
	Unplaced(ctx context.Context, key int64) (int64, error)
	// Work returns the names of feeds with something to sequence, which are
	// pending events, unless the feed is held, or a database that is not the
	// one of their history, and of those with closed pages that are not sealed.
	Work(ctx context.Context) (pending, unsealed []string, err error)
	// Stats returns how all feeds stand, cheaply enough to be asked for every
	// few seconds.
	Stats(ctx context.Context) (Stats, error)
	// Pages returns the closed pages from number first to last in order.
	Pages(ctx context.Context, key, first, last int64) ([]Page, error)
	EntityReader
}

// MaxSources bounds how many sources are looked through for an event of which
// only the id is known.
const MaxSources = 1000

// Tx is one writing transaction of the log's own.
type Tx interface {
	SequencerTx
	SealerTx
	NumberingTx
	// Create adds a feed with its first epoch, or returns ErrFeedExists.
	Create(ctx context.Context, f *Feed) error
	// SetSequences sets the sequences that draw the numbers of events and feeds
	// past the rows that are there, and returns the names of those that were
	// behind: rows that came by replication leave them where they were.
	SetSequences(ctx context.Context) (set []string, err error)
	// Lock locks the feed's row against every other Lock until the end of the
	// transaction and returns it, with the identity of the database now. An
	// identity that differs from the feed's means that history may have been
	// lost.
	Lock(ctx context.Context, name string) (f Feed, identity string, err error)
	// Save writes what has changed in the feed's row.
	Save(ctx context.Context, f *Feed) error
}

// SequencerTx is what giving positions needs.
type SequencerTx interface {
	// TakePending calls yield with up to limit of the feed's pending events that are
	// visible now, in the order of insertion. They are pending no longer when
	// AddPositions has given each its position.
	TakePending(ctx context.Context, key int64, limit int, yield func(insertNo int64, e *event.Event) error) error
	AddPositions(ctx context.Context, key int64, positions []Position) error
	AddPages(ctx context.Context, key int64, pages []Page) error
	AddEpoch(ctx context.Context, key int64, e feed.Epoch, reason string) error
}

// SealerTx is what sealing needs.
type SealerTx interface {
	PutDocument(ctx context.Context, key int64, d Document) error
	// DropNewest removes a page's newest stage, once its final one stands.
	DropNewest(ctx context.Context, key int64, page feed.Page) error
}

// Log is a database's feeds with the steps that move them on.
type Log struct {
	Backend
	Logger *slog.Logger // for what happens by itself
}

// New returns the log that db holds. It logs nothing.
func New(db Backend) *Log { return &Log{Backend: db, Logger: slog.New(slog.DiscardHandler)} }
