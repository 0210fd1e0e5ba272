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
	Error    string    // the error of the last attempt; empty if the event only waits for an earlier one
	Attempts int       // how often it was tried
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
	Applied int64 // parked events that were applied
	Skipped int64 // those of Applied that the sink skipped
	Left    int64 // selected events that are still parked
	Others  int64 // parked events of the consumer that were not selected
	// Failed lists the events that failed again, without their data: the first of each
	// entity, and those without a subject. It has at most MaxFailed events.
	Failed []ParkedEvent
}

// MaxFailed is the maximum number of events in Retried.Failed.
const MaxFailed = 100

// RetryOptions select the parked events that Retry applies, and how. The zero value selects
// all events of the consumer.
type RetryOptions struct {
	Feed    string // name or id of the feed; empty: every feed
	Subject string // the entity; empty: every entity, and events about none
	// DryRun applies the events in one transaction, and rolls it back.
	DryRun bool
	// AcceptProjection continues although the projection file has changed.
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

// resume checks that the sink is the one that the consumer started with, and prepares it.
func (c *opened) resume(ctx context.Context, was checkpoint.Consumer, all []checkpoint.Checkpoint) error {
	c.AsOf = was.AsOf // parked events are never later than it
	now, err := c.checkConsumer(ctx, was, all)
	if err != nil {
		return err
	}
	return c.into.Begin(ctx, now, nil, false)
}
