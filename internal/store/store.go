// Package store is the log: the database that holds the histories of feeds.
//
// [Log] has the logic of each step; a [Backend] carries it out in one kind of database (packages
// postgres and sqlite). Each step of the sequencer and the sealer is a single transaction, so a
// crash at any instant leaves the log as it was before or after the step.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Errors that callers distinguish. They are wrapped.
var (
	ErrNoFeed       = errors.New("no such feed")
	ErrFeedExists   = errors.New("feed exists already")
	ErrNoPage       = errors.New("no such page")
	ErrPageGone     = errors.New("page belongs to a history that was lost")
	ErrDoesNotAddUp = errors.New("the log fails verification")
	ErrMoved        = errors.New("this database is another one than the history was written on, and no epoch has begun on it yet")
	ErrReadOnly     = errors.New("the database is read-only, as a standby is until it is promoted, and a primary that was fenced; writes need the primary")
)

// Feed is a feed's row in the log.
type Feed struct {
	Key       int64  // the log's own number of the feed
	ID        string // urn:uuid:…
	Name      string
	Title     string
	Author    string
	PageSize  int
	PageBytes int
	Created   time.Time
	Modified  time.Time // whole seconds, see [Feed.modify]
	Identity  string    // identity of the database that the history was last written on, see [Tx.Lock]
	Moved     bool      // this database has another identity: history may have lost its end, and a new epoch is about to begin
	Epochs    []feed.Epoch
	Held      bool // not sequenced until it is opened
	Entities  bool // its events have versions, by their subjects

	Position int64 // last position assigned
	Digest   feed.Digest
	Open     OpenPage

	Archives   int64       // number of sealed pages
	ArchivedTo int64       // last position of the newest archive
	Published  int64       // last position that documents show: that of the first full but unsealed page, if there is one
	Shown      feed.Digest // digest at Published
	Updated    time.Time   // recorded time of the event at Published; Created if there is none
}

// OpenPage is the page to which the sequencer adds events.
type OpenPage struct {
	Number int64
	First  int64 // position of its first event
	Bytes  int64 // size of its events in normal form
}

// Epoch returns the id of the feed's current epoch.
func (f *Feed) Epoch() string { return f.Epochs[len(f.Epochs)-1].ID }

// Page is a closed page. Its bounds never change.
type Page struct {
	Number      int64
	First, Last int64
}

// Position is the row that assigns a position to an event.
type Position struct {
	Position int64
	InsertNo int64
	Digest   feed.Digest
}

// Row is an event with its position and its digest.
type Row struct {
	event.Placed
	Digest feed.Digest
}

// Stage is the stage of a stored archive.
type Stage string

// The stages. An archive is stored as newest; when the next page is sealed, it is stored again as
// final, with a link to that page.
const (
	Newest Stage = "newest"
	Final  Stage = "final"
)

// Document is a sealed page as it is stored. It is written once and never changed.
type Document struct {
	Page  feed.Page
	Stage Stage
	Body  []byte // canonical form, compressed with zstd
}

// Backend is a database that holds logs.
type Backend interface {
	Reader
	// Write runs step in one transaction, and returns when it is durable. If step returns an
	// error, the transaction is rolled back. Write waits at most wait for a lock of another
	// session. A deadline of ctx also applies at the database server, which ends the
	// transaction even if this process has ended.
	Write(ctx context.Context, wait time.Duration, step func(Tx) error) error
	// Append appends events in order and in one transaction, as package outbox does. It
	// returns how many were no duplicates.
	Append(ctx context.Context, name string, events []event.Event) (int, error)
	// AppendToEntity appends events, all of this subject, as Append does, if the entity meets
	// a condition before them. It returns the version after them. Events that are in the feed
	// already need no condition. The error is one of Append's, a [ChangedError], or
	// [outbox.ErrNoEntities].
	AppendToEntity(ctx context.Context, name, subject string, condition EntityCondition, events []event.Event) (added int, version int64, err error)
	// Lead reports whether this process should poll at short intervals; others on the same
	// database poll once a second. Only the load depends on it: any number of sequencers
	// behave as one.
	Lead(ctx context.Context) (bool, error)
	Close()
}

// Snapshot is a log at one moment. A document and the header of its HTTP answer come from one
// snapshot: if the database fails over between two reads, a feed's row and its events may be of
// different histories.
type Snapshot interface {
	// Feed returns a feed by name, or ErrNoFeed, wrapped.
	Feed(ctx context.Context, name string) (Feed, error)
	// Find returns the positions of the events with this id, in order: one for each source,
	// or that of source if it is not empty. It searches the first MaxSources sources of the
	// feed.
	Find(ctx context.Context, key int64, source, id string) ([]int64, error)
	// Rows calls yield with the events from position first to last, in order.
	Rows(ctx context.Context, key, first, last int64, yield func(*Row) error) error
	// Document returns the stored archive in its latest stage, or ErrNoPage.
	Document(ctx context.Context, key int64, page feed.Page) (Document, error)
	Lookup
	TypeReader
	EntitySnapshot
}

// Reader has the reads outside of a writing transaction. Each call of a method of its Snapshot
// reads a snapshot of its own.
type Reader interface {
	Snapshot
	// Read calls read with one snapshot of the log.
	Read(ctx context.Context, read func(Snapshot) error) error
	// Feeds returns all feeds, ordered by name.
	Feeds(ctx context.Context) ([]Feed, error)
	// Versions returns for each feed, by name, a text that changes whenever the feed's row
	// changes.
	Versions(ctx context.Context) (map[string]string, error)
	// Watch calls changed with the name of each feed whose row any process has changed, and
	// with an empty name if it may be any feed, until ctx is done. It returns an error if it
	// cannot watch. It may miss changes, so callers must also poll.
	Watch(ctx context.Context, changed func(name string)) error
	// Placed returns the positions of events, which it finds by source and id; 0 for an
	// event without a position.
	Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error)
	// Pending counts a feed's events that have no position yet.
	Pending(ctx context.Context, key int64) (int64, error)
	// Unplaced counts a feed's events that neither have a position nor are pending. There
	// must be none.
	Unplaced(ctx context.Context, key int64) (int64, error)
	// Work returns the names of feeds to sequence, and of feeds with closed pages that are
	// not sealed. A feed has to be sequenced if it has pending events and is not held, or if
	// its history was written on another database.
	Work(ctx context.Context) (pending, unsealed []string, err error)
	// Stats returns the state of all feeds. It is cheap enough to be called every few
	// seconds.
	Stats(ctx context.Context) (Stats, error)
	// Pages returns the closed pages from number first to last, in order.
	Pages(ctx context.Context, key, first, last int64) ([]Page, error)
	EntityReader
}

// MaxSources is the maximum number of sources that are searched for an event of which only the id
// is known.
const MaxSources = 1000

// Tx is a writing transaction of the log.
type Tx interface {
	SequencerTx
	SealerTx
	NumberingTx
	// Create adds a feed with its first epoch, or returns ErrFeedExists.
	Create(ctx context.Context, f *Feed) error
	// SetSequences advances the sequences for the numbers of events and feeds beyond the
	// existing rows, and returns the names of those that it has changed. Replicated rows do
	// not advance sequences.
	SetSequences(ctx context.Context) (set []string, err error)
	// Lock locks the feed's row until the end of the transaction, so that any other Lock
	// waits. It returns the feed and the identity of the database. If that identity differs
	// from the feed's, history may have been lost.
	Lock(ctx context.Context, name string) (f Feed, identity string, err error)
	// Save writes the feed's changed row.
	Save(ctx context.Context, f *Feed) error
}

// SequencerTx has the writes of the sequencer.
type SequencerTx interface {
	// TakePending calls yield with up to limit of the feed's pending events that are visible
	// now, in the order of insertion. They stop being pending when AddPositions has written
	// their positions.
	TakePending(ctx context.Context, key int64, limit int, yield func(insertNo int64, e *event.Event) error) error
	// AddPositions writes positions that follow the feed's last one without a gap. They are
	// recorded at the time of the database's clock, or at that of the last position if the
	// clock is behind it, so that recorded times never decrease with the positions.
	AddPositions(ctx context.Context, key int64, positions []Position) error
	AddPages(ctx context.Context, key int64, pages []Page) error
	AddEpoch(ctx context.Context, key int64, e feed.Epoch, reason string) error
}

// SealerTx has the writes of the sealer.
type SealerTx interface {
	PutDocument(ctx context.Context, key int64, d Document) error
	// DropNewest deletes a page's newest stage, after its final one was written.
	DropNewest(ctx context.Context, key int64, page feed.Page) error
	// AddTypes adds the counts of newly archived events to those of ArchivedTypes.
	AddTypes(ctx context.Context, key int64, counts []feed.TypeCount) error
}

// Log is a database's feeds, with the steps of the sequencer and the sealer.
type Log struct {
	Backend
	Logger *slog.Logger // logs new epochs that begin without a command, and the like
}

// New returns the log that db holds. It logs nothing.
func New(db Backend) *Log { return &Log{Backend: db, Logger: slog.New(slog.DiscardHandler)} }
