// Package seed reads feeds into a database of the caller's: first the whole history, in order
// and each event exactly once, then new events.
//
// Run writes the events and the checkpoint in one transaction of the target. A crash at any
// instant leaves both or neither. Only a program or a message broker gets each event at least once. Run
// verifies everything that it reads from an eventfeed server before it applies it: positions
// have no gap, and a digest covers the whole history. docs/foreign.md describes how it reads
// foreign feeds.
//
// Packages seed/seedpgx and seed/seedsqlite create targets, and have a complete program each.
// The docs folder of the module has the pages that the comments name.
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
	// ErrMismatch reports that the feed fails verification: a gap, a wrong digest, another
	// epoch or another feed. Nothing of the inconsistent part was applied.
	ErrMismatch = walk.ErrMismatch
	// ErrMissing reports that a page which the feed lists was missing (404, 410) for the
	// whole retry timeout: a server or a cache lags. Call Run again later. It comes together
	// with ErrMismatch only if the feed has begun another epoch.
	ErrMissing = walk.ErrMissing
	// ErrOtherFeed reports, together with ErrMismatch, that the consumer reads another
	// feed than this one.
	ErrOtherFeed = errors.New("another feed")
	// ErrNewFeed reports, together with ErrMismatch, that the consumer has not read one
	// of the feeds before. Config.AddFeed accepts it.
	ErrNewFeed = errors.New("another feed than before")
	// ErrOtherID reports, together with ErrMismatch, that a document of a foreign feed
	// (one that eventfeed does not serve) may belong to another feed.
	// Config.IgnoreFeedID accepts it.
	ErrOtherID = foreign.ErrOtherID
	// ErrProjection reports that the projection file has changed since it filled the
	// target. Build a new copy, or accept the change with Config.AcceptProjection.
	ErrProjection = errors.New("the projection has changed")
	// ErrHeld reports that another seeder holds the consumer.
	ErrHeld = checkpoint.ErrHeld
	// ErrMoved reports that another seeder took the consumer over during the run.
	ErrMoved = checkpoint.ErrMoved
	// ErrNoCheckpoint reports that there is no consumer of that name to rewind, reset or
	// retry.
	ErrNoCheckpoint = errors.New("has no checkpoint in this database")
	// ErrOwn marks an error as caused by the event itself, so that Park parks the event. A
	// handler wraps it: fmt.Errorf("%w: %w", seed.ErrOwn, err).
	ErrOwn = checkpoint.ErrOwn
)

// Defaults of a Config.
const (
	DefaultConsumer     = "default"
	DefaultPrefetch     = 64
	DefaultPollInterval = time.Second
	DefaultWait         = 30 * time.Second
	DefaultPatience     = time.Minute
)

// Config configures a run. From and Into are required.
type Config struct {
	From []string // the URLs of the feeds, one or several
	Into Target   // the target database with its sink; it also keeps the checkpoints

	// Consumer is the name under which the target keeps the checkpoints. Each consumer of
	// a target reads independently. Empty means DefaultConsumer.
	Consumer string
	// Follow continues with new events after the end of the feed, until the context is done.
	Follow bool
	// PollInterval is the time between two requests of Follow to a server that does not
	// support long polls. 0 means DefaultPollInterval, and one minute for a foreign feed.
	PollInterval time.Duration
	// Wait is the length of a long poll of Follow, in whole seconds; shorter if a timeout of
	// HTTPClient is shorter. A long poll occupies one connection. 0 means DefaultWait. A
	// negative value polls without waiting, so that every cache on the way can answer.
	Wait time.Duration
	// AddFeed lets a consumer that has read other feeds add a feed. The new feed's history
	// is applied as it arrives: after the events that the consumer has applied so far.
	AddFeed bool
	// Until is the last position to apply, of a single feed. 0 means the end of the feed. If
	// the feed ends before Until, Run returns an error and applies nothing; with Follow, it
	// waits.
	Until int64
	// StartAt lets a Publisher begin after this position, or AtEnd, instead of with the first
	// event. It counts for the first run of a consumer in a feed, and for a single feed unless it
	// is AtEnd. 0 means the first event.
	StartAt int64
	// AsOf builds the state as of a point in time: a run reads the feeds to the ends that
	// they had when the consumer first read them, and leaves out, and counts, events with a
	// later time. Such a consumer cannot continue after that. Zero leaves nothing out.
	AsOf time.Time
	// AllowUnmatched lets a projection start even if it has no block for any event of the
	// feeds. Otherwise Run returns an UnmatchedError.
	AllowUnmatched bool
	// DryRun verifies and applies everything in one transaction, and rolls it back. It calls
	// handlers and parks events as a real run does. Only the empty tables of the checkpoints
	// stay. Progress reports what it did.
	DryRun bool
	// AcceptProjection continues although the projection file has changed.
	AcceptProjection bool

	// Undone tells Rewind that the caller has undone what a projection, a handler or a
	// program wrote for the events after the position to go back to. An inbox does not need
	// it.
	Undone bool

	// OnError is what to do with an event that cannot be applied.
	OnError OnError

	// IgnoreFeedID accepts a document of a foreign feed whose atom:id is not that of the
	// feed, even if nothing else ties the document to the feed. Otherwise Run returns
	// ErrOtherID.
	IgnoreFeedID bool
	// KeepSameID applies all entries of a foreign feed that share an id. Otherwise only the
	// latest of them is applied. It applies to a consumer from its first run on.
	KeepSameID bool

	// Prefetch is the maximum number of pages to fetch in parallel. Up to 16 always are; more where
	// the delay of the network is what limits the rate, but not from a foreign feed. 0 means
	// DefaultPrefetch.
	Prefetch int
	// Patience is the retry timeout: how long Run retries an unavailable server or
	// database. 0 means DefaultPatience, or no limit with Follow.
	Patience time.Duration

	// AllowOrigins are further origins, such as https://archive.example, that links and
	// redirects of the feed may lead to. By default Run stays on the feed's scheme, host and
	// port.
	AllowOrigins []string
	// MaxDocument is the maximum size of a decompressed document of a foreign feed, in
	// bytes. Reading a document takes about five times as much memory. 0 means 48 MiB.
	// Pages of eventfeed's own format have their own limit.
	MaxDocument int64
	// Credentials returns header fields, such as Authorization, for requests to the feed's
	// own origin; other origins do not get them. Run calls it before each request, from
	// several goroutines, and once more after status 401. It does not modify the result. A
	// user and password in the feed's URL take precedence over its Authorization. nil means
	// no credentials.
	Credentials func() (http.Header, error)

	// HTTPClient makes the requests. Its Timeout limits each request; its Transport may show
	// a client certificate. nil means a client with defaults.
	HTTPClient *http.Client
	Logger     *slog.Logger // nil discards the log

	// Progress is called after each transaction, including that of a dry run, when the
	// target becomes unavailable or available again, and at the end of a run. The last call
	// is the report of the run. Calls do not overlap, and the run waits for each. nil means
	// no calls.
	Progress func(Progress)
}

// Batch is events to be applied in this order. Those of each feed are
// consecutive.
type Batch struct {
	Consumer string
	Events   []event.Delivered
}

var (
	errNoTarget = errors.New("seed: Config.Into is missing")
	errNoFeed   = errors.New("seed: Config.From is missing")
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Until < 0 || c.Until > 0 && len(c.From) > 1:
		return c, errors.New("seed: Config.Until must be a position, of a single feed")
	case c.StartAt < AtEnd || c.StartAt > 0 && len(c.From) > 1:
		return c, errors.New("seed: Config.StartAt must be a position, of a single feed, or AtEnd")
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
