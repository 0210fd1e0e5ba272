package seednats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// errNoMessage is JetStream's error code for a message that is not there.
const errNoMessage = jetstream.ErrorCode(10037)

// End returns the place of the stream's last message, if it continues the messages before it.
func (l *log) End(ctx context.Context) (place broker.Place, found bool, err error) {
	l.lastKnown = false
	for {
		info, err := l.conn.info(ctx, l.to.stream)
		if err != nil {
			return place, false, l.explain(err)
		}
		state := &info.State
		again := l.lastKnown && state.LastSeq == l.last // nothing was published while it was read
		l.last, l.lastKnown = state.LastSeq, true
		if state.Msgs == 0 {
			return place, false, l.emptied(&info.Config)
		}
		m, header, err := l.conn.message(ctx, l.to.stream, l.last)
		if isMissing(err) || err == nil && m.Sequence != l.last {
			if again {
				return place, false, l.lostEnd("was deleted; %d messages are left", state.Msgs)
			}
			continue
		}
		if err != nil {
			return place, false, l.explain(err)
		}
		if place, err = placeOf(header); err != nil {
			return place, false, l.lostEnd("on subject %s is not a message of eventfeed: %w", m.Subject, err)
		}
		if err := l.verifyChain(ctx, state.FirstSeq); err != nil {
			return place, false, err
		}
		return place, true, l.compete(header.Get(runHeader))
	}
}

// placeOf returns the place of a message.
func placeOf(header nats.Header) (broker.Place, error) {
	return broker.ReadPlace(func(name string) string { return attribute(header, name) })
}

// emptied returns an error if a stream without messages has had one.
func (l *log) emptied(settings *jetstream.StreamConfig) error {
	if l.last == 0 || l.last+1 == settings.FirstSeq {
		return nil
	}
	return l.lostEnd("was deleted, and no message is left: the stream was purged")
}

func (l *log) lostEnd(format string, arguments ...any) error {
	return &broker.LostEndError{Err: fmt.Errorf("the last message of %s, sequence %d, "+format, append([]any{l.to.target(), l.last}, arguments...)...)}
}

// compete decides whether to continue after a message met another last sequence than expected. A
// publisher that has just died may have left messages on the way, so another run may be met once. If
// the same one has published again since, it lives.
func (l *log) compete(run string) error {
	contested := l.contested
	l.contested = false
	if !contested || run == l.run {
		return nil
	}
	if run == l.met && run != "" {
		return fmt.Errorf("another publisher (run %s) publishes to %s; its last message is of sequence %d: %w", run, l.to.target(), l.last, seed.ErrMoved)
	}
	l.met = run
	l.Logger.Warn("another publisher has published to the stream; continuing after its last message", "stream", l.to.stream, "sequence", l.last, "run", run)
	return nil
}

func isMissing(err error) bool {
	refused, is := errors.AsType[*jetstream.APIError](err)
	return is && refused != nil && refused.ErrorCode == errNoMessage
}
