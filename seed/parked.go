package seed

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// OnError is what Run does with an event that cannot be applied because of the event itself:
// SQLSTATE class 22, class 23 or P0001; in SQLite SQLITE_CONSTRAINT or SQLITE_MISMATCH; or an
// error that wraps ErrOwn. A handler may wrap the database's error. After any other error Run
// retries or returns, whatever OnError is.
type OnError int

const (
	// Stop returns the error and applies nothing of that transaction.
	Stop OnError = iota
	// Park stores the event in the target as a parked event (a dead letter), in the
	// transaction that moves the checkpoint past it. It also parks every later event of the
	// same entity, that is, with the same feed and subject; an event without a subject is
	// parked alone. Parked events wait for Retry, also if a later run uses Stop.
	//
	// To find the event, Run calls a handler again with events of a transaction that was
	// rolled back: a few together or one alone, each time in a savepoint.
	Park
)

// IsOwn reports whether an error that Run returned was caused by an event itself, so that Park
// would have parked that event.
func IsOwn(err error) bool { return checkpoint.IsOwn(err) }

// ParkedEvent is an event that waits in the target because it, or an earlier event of its
// entity, cannot be applied.
type ParkedEvent struct {
	Consumer string
	event.Delivered
	Error    string    // of the last attempt to apply it; empty if it only waits for an earlier one
	Attempts int       // to apply it
	Since    time.Time // when it was parked
}

// ParkedFilter selects parked events. Its zero value selects all of them.
type ParkedFilter struct {
	Consumer string // empty: every consumer
	Feed     string // name or id of the feed; empty: every feed
	Subject  string // the entity; empty: every entity, and events about none
}

// Parked returns the parked events of a target, ordered by consumer, feed id and position. Any
// target in the same database works, whatever its sink. It may be called during a Run.
func Parked(ctx context.Context, into Target, of ParkedFilter) iter.Seq2[ParkedEvent, error] {
	return func(yield func(ParkedEvent, error) bool) {
		if into.target == nil {
			yield(ParkedEvent{}, errNoTarget)
			return
		}
		session := checkpoint.Open(into.target, false)
		defer session.Close()
		goOn := true
		err := session.ListParked(ctx, checkpoint.ParkedFilter(of), func(p checkpoint.Parked) bool {
			goOn = yield(ParkedEvent(p), nil)
			return goOn
		})
		if err != nil && goOn {
			yield(ParkedEvent{}, err)
		}
	}
}

// Retried is what Retry has done.
type Retried struct {
	Applied int64 // events that were parked and are applied now
	Skipped int64 // of them those that the sink had no use for
	Left    int64 // of those that it was about, events that are still parked
	Others  int64 // parked events of the consumer that it was not about
	// Failed are the events that could still not be applied, without their data:
	// the first of each entity, and those without a subject. No more than
	// MaxFailed are listed.
	Failed []ParkedEvent
}

// MaxFailed is how many events Retried lists.
const MaxFailed = 100

// RetryOptions say which of a consumer's parked events Retry is about, and how it goes
// about them. The zero value is all of them.
type RetryOptions struct {
	Feed    string // name or id of the feed; empty: every feed
	Subject string // the entity; empty: every entity, and events about none
	// DryRun applies all in one transaction, and rolls it back.
	DryRun bool
	// AcceptProjection goes on with another text of a projection than what has been
	// applied was applied by.
	AcceptProjection bool
	Logger           *slog.Logger // nil means discard
}

// Retry applies a consumer's parked events with the target's sink: for each entity in feed
// order, up to the first event that still cannot be applied. That event and the later ones of
// its entity stay parked. Retry removes an applied event from the parked events in the same
// transaction. An empty consumer means DefaultConsumer. Retry returns ErrNoCheckpoint if there is
// no such consumer, and ErrHeld during a Run of that consumer.
func Retry(ctx context.Context, into Target, consumer string, o RetryOptions) (Retried, error) {
	c, err := openTarget(Config{Into: into, Consumer: consumer, DryRun: o.DryRun, AcceptProjection: o.AcceptProjection, Logger: o.Logger})
	if err != nil {
		return Retried{}, err
	}
	defer c.into.Close()
	for _, feature := range []checkpoint.Feature{checkpoint.Parking, checkpoint.GoingBack} {
		if err := c.into.Lacks(feature); err != nil {
			return Retried{}, err
		}
	}
	if err := c.missing(); err != nil {
		return Retried{}, err
	}
	if err := c.openConsumer(ctx); err != nil {
		return Retried{}, err
	}
	was, all, err := c.claimConsumer(ctx)
	if err != nil {
		return Retried{}, err
	}
	parked := int64(0)
	for _, at := range all {
		n, err := c.into.CountParked(ctx, at, 0)
		if err != nil {
			return Retried{}, err
		}
		parked += n
	}
	if err := c.resume(ctx, was, all); err != nil {
		return Retried{}, err
	}
	done, err := c.into.Retry(ctx, all, checkpoint.ParkedFilter{Consumer: c.Consumer, Feed: o.Feed, Subject: o.Subject})
	retried := Retried{Applied: done.Applied, Skipped: done.Skipped, Left: done.Left}
	for _, failed := range done.Failed {
		retried.Failed = append(retried.Failed, ParkedEvent(failed))
	}
	if err == nil {
		retried.Others = parked - done.Applied - done.Left
	}
	return retried, err
}

// resume makes sure that the sink is the one that the consumer was begun with,
// and prepares it.
func (c *opened) resume(ctx context.Context, was checkpoint.Consumer, all []checkpoint.Checkpoint) error {
	c.AsOf = was.AsOf // its parked events are none that were left out
	now, err := c.agree(ctx, was, all)
	if err != nil {
		return err
	}
	return c.into.Begin(ctx, now, nil, false)
}
