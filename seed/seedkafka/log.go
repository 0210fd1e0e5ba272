package seedkafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// log is a broker.Log: the publication of a feed to a topic.
//
// The checkpoint of each transaction is in the topic of the checkpoints, with the offsets of the
// feed's last messages. End compares both topics: each of them can lose its end alone.
type log struct {
	config   Topic
	to       address
	options  options
	loggedIn bool // a broker has accepted user and password before

	// From Open on.
	client      *kgo.Client
	admin       *kadm.Client
	feed        broker.Feed
	topic       topic // with the messages
	checkpoints topic
	claimed     bool

	// From End on.
	end        checkpoint // after the last message that is committed
	endLost    bool       // End has returned a LostEndError
	endedAtEnd int64      // the value of ended when End began

	// For the whole run.
	ended     atomic.Int64 // how many connections have ended
	committed checkpoint   // by this log, last
	attempted checkpoint   // by this log, last; maybe committed
	most      int          // bytes of a transaction, fewer after one that has failed
}

// Open connects, and checks the topics.
func (l *log) Open(ctx context.Context, feed broker.Feed) error {
	l.Close()
	l.feed = feed
	return l.bounded(ctx, "connect", func(ctx context.Context) (err error) {
		if l.client, err = l.newClient(); err != nil {
			return err
		}
		l.admin = kadm.NewClient(l.client)
		if err := l.client.Ping(ctx); err != nil {
			return err
		}
		l.loggedIn = true
		return l.inspect(ctx)
	})
}

// oldest is the oldest broker that has transactions and headers.
func oldest() *kversion.Versions { return kversion.V0_11_0() }

// key is the transactional id of the publication, and the key of its checkpoints.
func (l *log) key() string { return "eventfeed/" + l.to.topic + "/" + l.feed.ID }

// Claim fences other publishers of the feed. When it returns, each of their transactions is committed
// or aborted.
//
// A publisher that was away, and whose topic another one has continued meanwhile, claims nothing.
func (l *log) Claim(ctx context.Context) error {
	if err := l.isOvertaken(ctx); err != nil {
		return err
	}
	err := l.bounded(ctx, "claim the transactional id "+l.key(), func(ctx context.Context) error {
		id, _, err := l.client.ProducerID(ctx)
		if err == nil && id < 0 {
			return errTooOld
		}
		return err
	})
	l.claimed = err == nil
	return err
}

// isOvertaken returns an error that matches seed.ErrMoved if this log has published, and another one
// after it, or is about to: the transaction of a publisher that was told of its commit may still be
// open to readers.
func (l *log) isOvertaken(ctx context.Context) error {
	if l.committed.Generation == 0 {
		return nil
	}
	last, open, err := l.settledCheckpoint(ctx)
	if err != nil && !isLostEnd(err) {
		return err
	}
	for _, c := range []*checkpoint{last, open} {
		if c != nil && l.isOfAnother(c) {
			return fmt.Errorf("%s: another publisher has published up to position %d: %w", l.to, c.Position, seed.ErrMoved)
		}
	}
	return nil
}

// isOfAnother reports whether a checkpoint was written after this log's own ones. One before them is
// not: the topic may have lost its end, as End will tell.
func (l *log) isOfAnother(c *checkpoint) bool {
	isBehind := c.Generation == l.committed.Generation && c.Position < l.committed.Position
	return !isBehind && !c.isAt(&l.committed) && !c.isAt(&l.attempted)
}

// Close disconnects.
func (l *log) Close() {
	if l.client != nil {
		l.client.Close() // returns when no message of Append is used any more
	}
	l.client, l.admin, l.claimed = nil, nil, false
	l.topic, l.checkpoints, l.end = topic{}, topic{}, checkpoint{}
}

// bounded does something that a silent broker must not keep forever, and explains its error.
func (l *log) bounded(ctx context.Context, what string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, l.options.silence, errSilent)
	defer cancel()
	err := do(limited)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if limited.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w within %v", errSilent, l.options.silence)
	}
	return fmt.Errorf("%s: %s: %w", l.to, what, l.explain(err))
}

var errSilent = errors.New("the broker did not answer")
