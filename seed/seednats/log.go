package seednats

import (
	"context"
	"crypto/rand"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// log is a broker.Log in a stream.
type log struct {
	Stream
	to       address
	route    broker.Route
	timeouts timeouts
	run      string // a random id, in each message
	feed     broker.Feed
	encoder  encoder

	conn     *connection // nil while it is closed
	settings jetstream.StreamConfig
	loggedIn bool // a server has accepted the login before

	last       uint64 // the stream's last sequence
	lastKnown  bool   // End was called, and no Append has failed since
	generation int64  // of the last message that this run has found or published; 0 if there was none
	contested  bool   // a message met another last sequence than expected; End sees whose message is there
	rival      rival
}

func newLog(s Stream, to address, route broker.Route) *log {
	return &log{Stream: s, to: to, route: route, timeouts: defaultTimeouts, run: rand.Text()}
}

// Open connects, and checks the settings of the stream.
func (l *log) Open(ctx context.Context, feed broker.Feed) (err error) {
	l.Close()
	l.feed = feed
	if l.conn, err = l.connect(ctx); err == nil {
		l.loggedIn = true
		err = l.check(ctx)
	}
	if err != nil {
		l.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

// check returns an error if the stream cannot hold the publication.
func (l *log) check(ctx context.Context) error {
	if version := l.conn.nc.ConnectedServerVersion(); isOlderThan(version, minMajor, minMinor) {
		return tooOld(version)
	}
	info, err := l.conn.info(ctx, l.to.stream)
	if err != nil {
		return l.explain(err)
	}
	l.settings = info.Config
	return l.checkSettings()
}

// Claim does nothing: JetStream fences nobody. The first message of either publisher that meets one of
// the other's is refused.
func (*log) Claim(context.Context) error { return nil }

// Close disconnects.
func (l *log) Close() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
	l.lastKnown = false
}
