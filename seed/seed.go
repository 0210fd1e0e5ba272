// Package seed reads feeds into a database of the caller's: all of their history
// in order, each event exactly once, and then what comes after.
//
// Events and the checkpoint that says how far the reader has got are written
// in one transaction of the target, so a crash at any instant leaves both or
// neither; only a program as sink gets each event at least once. Everything that
// is read of eventfeed's own feeds is checked before it is applied: positions
// without a gap, and a digest over all of the history so far. Other feeds are
// read as docs/foreign.md says.
//
// Packages seed/seedpgx and seed/seedsqlite make the targets, and have a complete program
// each. The files of docs that the comments name are in the module's folder.
package seed

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Errors that a program may branch on; all are wrapped. See also [LostError],
// [OldError], [UnmatchedError], [ChangedError], [NotUndoneError] and [FeedError].
var (
	// ErrMismatch reports that the feed does not add up: a missing page, a gap, a
	// wrong digest, a foreign epoch or feed. Nothing of it was applied.
	ErrMismatch = walk.ErrMismatch
	// ErrOtherFeed reports, together with ErrMismatch, that the feed is not the one
	// that the consumer reads.
	ErrOtherFeed = errors.New("another feed")
	// ErrNewFeed reports, together with ErrMismatch, that the consumer has not read
	// one of the feeds so far, which it may with Config.AddFeed.
	ErrNewFeed = errors.New("another feed than before")
	// ErrOtherID reports, together with ErrMismatch, that a document of a feed that is
	// not eventfeed's own may be of another feed; Config.IgnoreFeedID goes on with it.
	ErrOtherID = foreign.ErrOtherID
	// ErrProjection reports that the projection is another one than the target was
	// built by: build it anew, or go on with Config.AcceptProjection.
	ErrProjection = errors.New("the projection has changed")
	// ErrHeld reports that another seeder holds the consumer.
	ErrHeld = checkpoint.ErrHeld
	// ErrMoved reports that another seeder has taken the consumer over meanwhile.
	ErrMoved = checkpoint.ErrMoved
	// ErrNoCheckpoint reports that there is no such consumer to rewind, reset or retry.
	ErrNoCheckpoint = errors.New("has no checkpoint in this database")
	// ErrOwn is what a handler wraps to report that an error is the event's own, so
	// that Park parks the event: fmt.Errorf("%w: %w", seed.ErrOwn, err).
	ErrOwn = checkpoint.ErrOwn
)

// Defaults of a Config.
const (
	DefaultConsumer     = "default"
	DefaultPrefetch     = 16
	DefaultPollInterval = time.Second
	DefaultWait         = 30 * time.Second
	DefaultPatience     = time.Minute
)

// Config is what to read, into what, and how.
type Config struct {
	From []string // the URLs of the feeds, one or several
	Into Target   // what takes the events and keeps the checkpoints

	// Consumer names the reader; several in one target each read for
	// themselves. Empty means DefaultConsumer.
	Consumer string
	// Follow goes on after the end of the feed, until the context is done.
	Follow bool
	// PollInterval is how long Follow lets pass between two looks for something
	// new, where the server does not wait for it. 0 means DefaultPollInterval,
	// and a minute for a feed that is not eventfeed's own.
	PollInterval time.Duration
	// Wait is how long Follow asks the server to hold a request while there is
	// nothing new, and then to send no more than that; in whole seconds, and
	// shorter where HTTPClient's time limits are. It occupies one connection.
	// 0 means DefaultWait; negative means not to ask for any of it, so that
	// every cache on the way can answer.
	Wait time.Duration
	// AddFeed lets a consumer that has read other feeds begin with one more.
	// What is new in it is applied as it arrives: its history comes after what
	// the others have brought so far.
	AddFeed bool
	// Until is the last position to apply, of a single feed; 0 means its end. A
	// feed that ends before it is an error, with nothing applied, and with Follow is
	// waited for.
	Until int64
	// AsOf builds the state as of a point in time: the feeds are read to the
	// ends that they have when the consumer is begun, and events with a later
	// time are left out and counted. Such a consumer cannot go on any further.
	// Zero leaves nothing out.
	AsOf time.Time
	// AllowUnmatched lets a consumer of a projection begin also where that has no
	// block for any of the events that there are. Otherwise that is an
	// UnmatchedError.
	AllowUnmatched bool
	// DryRun checks all and applies all in one transaction, and rolls it back. It calls
	// a handler, and parks, as a real run does; nothing stays but the tables of the
	// checkpoints, which are empty. Progress tells what it did.
	DryRun bool
	// AcceptProjection goes on with another text of a projection than what has
	// been applied was applied by.
	AcceptProjection bool

	// Undone tells Rewind and Reset that what a projection, a handler or a program
	// wrote for the events that are gone back behind has been undone, so that it
	// can be written again. An inbox does not need it.
	Undone bool

	// OnError says what is done with an event that cannot be applied.
	OnError OnError

	// IgnoreFeedID goes on where the atom:id of a document of a feed that is not
	// eventfeed's own is not the feed's, and nothing else proves that it is of the
	// feed. Otherwise that is an ErrOtherID.
	IgnoreFeedID bool
	// KeepSameID applies all entries of feeds that are not eventfeed's own, where it
	// otherwise applies the latest of those that share an id. It holds for a consumer
	// from its first run on.
	KeepSameID bool

	// Prefetch is how many pages are fetched at once, ahead of what is being
	// applied. 0 means DefaultPrefetch.
	Prefetch int
	// Patience is how long a server or a database that is away is waited for.
	// 0 means DefaultPatience, or without end with Follow.
	Patience time.Duration

	// AllowOrigins are further origins, such as https://archive.example, that
	// redirects and links of the feed may lead to. Without any it is read from
	// its own scheme, host and port only.
	AllowOrigins []string
	// MaxDocument bounds a document of a feed that is not eventfeed's own, in bytes,
	// decompressed. Reading one takes about five times as much memory. 0 means 48 MiB.
	// Pages of eventfeed's own format are bounded by that.
	MaxDocument int64
	// Credentials gives the header fields, such as Authorization, that requests
	// to a feed's own origin are made with, and no others. It is called before
	// each request, from several goroutines, and once more after an answer of
	// status 401. What it returns is not changed. A user and password in the
	// feed's URL go before its Authorization. nil means none.
	Credentials func() (http.Header, error)

	// HTTPClient makes the requests. Its Timeout, if there is one, bounds each;
	// what it shows of itself, such as a client certificate, is its own affair.
	// nil means one of its own.
	HTTPClient *http.Client
	Logger     *slog.Logger // nil means discard

	// Progress is called after each transaction, also of a dry run, when the target
	// goes away or comes back, and at the end of a run: the last call is its report.
	// It is called by one goroutine at a time, which waits for it. nil means not.
	Progress func(Progress)
}

// Batch is events to be applied in this order. Those of each feed are
// consecutive.
type Batch struct {
	Consumer string
	Events   []event.Delivered
}

// What nothing can be done without.
var (
	errNoTarget = errors.New("seed: Config.Into is missing")
	errNoFeed   = errors.New("seed: Config.From is missing")
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Until < 0 || c.Until > 0 && len(c.From) > 1:
		return c, errors.New("seed: Config.Until must be a position, of a single feed")
	case !c.AsOf.IsZero() && (c.Follow || c.Until > 0):
		return c, errors.New("seed: Config.AsOf goes together with neither Follow nor Until")
	case c.DryRun && c.Follow:
		return c, errors.New("seed: Config.DryRun cannot Follow")
	}
	if c.Consumer == "" {
		c.Consumer = DefaultConsumer
	}
	if c.Prefetch <= 0 {
		c.Prefetch = DefaultPrefetch
	}
	if c.Wait == 0 {
		c.Wait = DefaultWait
	}
	c.Wait = max(c.Wait, 0)
	if c.Patience == 0 {
		c.Patience = DefaultPatience
		if c.Follow {
			c.Patience = -1
		}
	}
	var err error
	if c.AllowOrigins, err = normalOrigins(c.AllowOrigins); err != nil {
		return c, err
	}
	if c.HTTPClient == nil {
		c.HTTPClient = fetch.NewHTTPClient(c.Prefetch, c.Wait)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	return c, nil
}
