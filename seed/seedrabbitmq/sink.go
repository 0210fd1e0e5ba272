package seedrabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// sink is a checkpoint.External that publishes to an exchange.
type sink struct {
	Exchange
	to    address
	route broker.Route
	hold  checkpoint.Hold

	generations map[string]int64 // of the feeds, by id
	connection  *connection      // nil if there is none
	loggedIn    bool             // the broker has accepted the credentials before
	careful     bool             // the last message was refused, so the next one goes alone
	outage      retry.Outage
}

func newSink(e Exchange, to address, route broker.Route, h checkpoint.Hold) *sink {
	s := &sink{Exchange: e, to: to, route: route, hold: h, generations: make(map[string]int64)}
	for i := range h.Checkpoints {
		s.generations[h.Checkpoints[i].FeedID] = h.Checkpoints[i].Generation
	}
	return s
}

// Start connects, and publishes the marker of each generation of which nothing else is published.
func (s *sink) Start(ctx context.Context) error {
	var markers []broker.Message
	for i := range s.hold.Checkpoints {
		if c := &s.hold.Checkpoints[i]; c.Position == c.GenerationStart {
			markers = append(markers, broker.Marker(broker.Place{
				Feed: broker.Feed{ID: c.FeedID, Name: c.Feed}, Generation: c.Generation, Epoch: c.Epoch, Position: c.Position, Digest: c.Digest,
			}))
		}
	}
	return s.publish(ctx, messages{
		n:  len(markers),
		at: func(i int) (*broker.Message, error) { return &markers[i], nil },
	}, func(checkpoint.Acknowledged) error { return nil })
}

// Deliver publishes events.
func (s *sink) Deliver(ctx context.Context, b checkpoint.Batch, acknowledged func(checkpoint.Acknowledged) error) error {
	return s.publish(ctx, messages{n: len(b.Events), at: func(i int) (*broker.Message, error) {
		before, at, err := b.Places(i)
		e := &b.Events[i]
		return &broker.Message{
			Delivered: *e, Generation: s.generations[e.FeedID], Epoch: at.Epoch, DigestBefore: before.Digest, Digest: at.Digest,
		}, err
	}}, acknowledged)
}

// publish publishes messages, and opens another connection after an error that may pass, until
// the retry timeout is over.
func (s *sink) publish(ctx context.Context, m messages, acknowledged func(checkpoint.Acknowledged) error) error {
	d := &delivery{sink: s, messages: m, acknowledged: acknowledged}
	var tries *retry.Tries // since the first failure without progress
	for {
		done, began := d.done, time.Now()
		err := d.attempt(ctx)
		if err == nil && d.done < d.n {
			continue
		}
		if err == nil {
			s.available() // while nothing is to be published, nobody sees that a block ends
			return nil
		}
		s.disconnect()
		if tries == nil || d.done > done || time.Since(began) > longAttempt {
			tries = retry.Begin(100*time.Millisecond, 5*time.Second)
		}
		err = d.explain(err)
		if _, refused := errors.AsType[*broker.OperatorError](err); refused || d.broke || ctx.Err() != nil || s.isLost() || isWaiting(err) || s.Patience >= 0 && tries.Lasted() > s.Patience {
			return s.ended(ctx, d, err)
		}
		wait := tries.Next()
		s.away(err)
		s.Logger.Log(ctx, s.outage.Level(repeatInterval), "the broker is unavailable, retrying", "broker", s.to.String(), "error", err, "wait", wait.Round(time.Millisecond))
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// longAttempt is how long an attempt lasts at least that counts as progress: it had a connection, and
// waited for the broker.
const longAttempt = 10 * time.Second

// repeatInterval is how often the warning of an outage is repeated.
const repeatInterval = time.Minute

// ended returns the error with which a delivery ends.
func (s *sink) ended(ctx context.Context, d *delivery, err error) error {
	switch {
	case d.broke:
		return err
	case s.isLost():
		return fmt.Errorf("%w: publishing has stopped", checkpoint.ErrLost)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if isRefused(err) {
		err = &broker.OperatorError{Err: err, Next: "let the consumers of the queue catch up, or raise its x-max-length or x-max-length-bytes"}
	}
	if _, is := errors.AsType[*broker.OperatorError](err); is {
		return fmt.Errorf("publish to %s: %w", s.to, err)
	}
	// Not wrapped, since a broken connection would count as one to the target, which is tried again.
	return fmt.Errorf("publish to %s: %s", s.to, err.Error())
}

// away reports that the broker does not do what it is asked for.
func (s *sink) away(err error) { s.hold.Away(fmt.Errorf("%s: %w", s.to, err)) }

// available notes that the broker does what it is asked for.
func (s *sink) available() {
	s.hold.Away(nil)
	if s.outage.Over() {
		s.Logger.Info("the broker is available again", "broker", s.to.String())
	}
}

// isLost reports whether another process may hold the consumer.
func (s *sink) isLost() bool { return s.hold.Lost != nil && checkpoint.IsClosed(s.hold.Lost) }

// connect opens a connection unless one is open.
func (s *sink) connect(ctx context.Context) (err error) {
	if s.connection.isOpen() {
		return nil
	}
	s.disconnect()
	for tries := 1; ; tries++ {
		if s.connection, err = s.open(ctx); err == nil {
			s.loggedIn = true
			return nil
		}
		s.connection = nil
		// RabbitMQ closes the connection after a wrong password without a word, as it does when it
		// is stopped in this moment.
		if e, is := errors.AsType[*amqp.Error](err); !is || e.Server || e.Code != amqp.AccessRefused || tries == loginTries {
			return err
		}
		if err := retry.Sleep(ctx, loginWait); err != nil {
			return err
		}
	}
}

const (
	loginTries = 2                      // after so many the credentials count as refused
	loginWait  = 300 * time.Millisecond // between two of them
)

func (s *sink) disconnect() {
	if s.connection != nil {
		s.connection.close()
		s.connection = nil
	}
}

// Close closes the connection.
func (s *sink) Close() { s.disconnect() }
