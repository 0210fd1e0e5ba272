package seednats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// errNoMessage is JetStream's error code for a message that is not there.
const errNoMessage = jetstream.ErrorCode(10037)

// End returns the place of the stream's last message, if it continues the messages before it.
func (l *log) End(ctx context.Context) (place broker.Place, found bool, err error) {
	for {
		place, run, found, err := l.readEnd(ctx)
		if err != nil || !found {
			return place, false, err
		}
		switch again, err := l.compete(ctx, run); {
		case err != nil:
			return place, true, err
		case !again:
			l.generation = place.Generation
			return place, true, nil
		}
	}
}

// readEnd returns the place of the last message, and the run that published it.
func (l *log) readEnd(ctx context.Context) (place broker.Place, run string, found bool, err error) {
	l.lastKnown = false
	for {
		info, err := l.conn.info(ctx, l.to.stream)
		if err != nil {
			return place, "", false, l.explain(err)
		}
		state := &info.State
		again := l.lastKnown && state.LastSeq == l.last // nothing was published while it was read
		l.last, l.lastKnown = state.LastSeq, true
		if state.Msgs == 0 {
			return place, "", false, l.emptied(&info.Config)
		}
		m, header, err := l.conn.message(ctx, l.to.stream, l.last)
		if isMissing(err) || err == nil && m.Sequence != l.last {
			if again {
				return place, "", false, l.lostEnd(0, "was deleted; %d messages are left", state.Msgs)
			}
			continue
		}
		if err != nil {
			return place, "", false, l.explain(err)
		}
		if place, err = placeOf(header); err != nil {
			return place, "", false, l.lostEnd(0, "on subject %s is not a message of eventfeed: %w", m.Subject, err)
		}
		return place, header.Get(runHeader), true, l.verifyChain(ctx, state.FirstSeq)
	}
}

// placeOf returns the place of a message.
func placeOf(header nats.Header) (broker.Place, error) {
	return broker.ReadPlace(func(name string) string { return attribute(header, name) })
}

// emptied returns an error if a stream without messages has had one.
func (l *log) emptied(settings *jetstream.StreamConfig) error {
	if fresh := l.last == 0 || l.last+1 == settings.FirstSeq; fresh && l.generation > 0 {
		return &broker.LostEndError{Generation: l.generation, Err: fmt.Errorf("%s is empty, and this run has published to it: it was replaced by another one", l.to.target())}
	} else if fresh {
		return nil
	}
	return l.lostEnd(0, "was deleted, and no message is left: the stream was purged")
}

// lostEnd returns a LostEndError; the generation is 0 if it is not known.
func (l *log) lostEnd(generation int64, format string, arguments ...any) error {
	return &broker.LostEndError{Generation: max(generation, l.generation), Err: fmt.Errorf("the last message of %s, sequence %d, "+format, append([]any{l.to.target(), l.last}, arguments...)...)}
}

// rival is another publisher whose message was met.
type rival struct {
	run   string
	last  uint64 // the last sequence when it was met first
	since time.Time
}

// compete decides whether to continue after a message met another last sequence than expected. A
// publisher that has died may have left a window of messages on the way: its successor waits until no
// more of them come, and reads the end again. A publisher that publishes more than that, or still after
// half a minute, lives. It is not forgotten after messages of our own: two publishers that take turns
// would never end.
func (l *log) compete(ctx context.Context, run string) (again bool, err error) {
	if !l.contested || run == l.run {
		l.contested = false
		return false, nil
	}
	if run != l.rival.run {
		l.rival = rival{run, l.last, time.Now()}
		l.Logger.Warn("another publisher has published to the stream; waiting for the end of its messages", "stream", l.to.stream, "run", run)
	}
	quiet, err := l.waitForQuiet(ctx)
	switch {
	case err != nil:
		return false, err
	case !quiet || l.last-l.rival.last > windowMessages || time.Since(l.rival.since) > l.timeouts.rival:
		return false, fmt.Errorf("another publisher (run %s) publishes to %s; its last message is of sequence %d: %w", run, l.to.target(), l.last, seed.ErrMoved)
	}
	l.contested = false
	return true, nil
}

// waitForQuiet waits until no message has come for a while, and reports false if more come than a
// publisher that died can have left, or for too long.
func (l *log) waitForQuiet(ctx context.Context) (quiet bool, err error) {
	last := l.last
	for last-l.rival.last <= windowMessages && time.Since(l.rival.since) <= l.timeouts.rival {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(l.timeouts.quiet):
		}
		info, err := l.conn.info(ctx, l.to.stream)
		if err != nil {
			return false, l.explain(err)
		}
		if info.State.LastSeq == last {
			return true, nil
		}
		last = info.State.LastSeq
	}
	return false, nil
}

func isMissing(err error) bool {
	refused, is := errors.AsType[*jetstream.APIError](err)
	return is && refused != nil && refused.ErrorCode == errNoMessage
}
