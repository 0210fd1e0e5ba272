//go:build unix

package seednats

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func TestAStreamIsALog(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	logtest.Run(t, func(t *testing.T) logtest.Place {
		t.Helper()
		p := newPlace(t, node, jetstream.StreamConfig{})
		return logtest.Place{NewLog: func() broker.Log { return p.newLog(t) }, Read: p.read, MaxData: 900_000}
	})
}

// place is an empty stream on a server, with subjects of its own.
type place struct {
	node   *testnats.Node
	stream jetstream.Stream
	client jetstream.JetStream
	config Stream
}

// newPlace creates a stream. settings may leave out name and subjects.
func newPlace(t *testing.T, node *testnats.Node, settings jetstream.StreamConfig) *place {
	t.Helper()
	name := "S" + rand.Text()[:10]
	if settings.Name == "" {
		settings.Name = name
	}
	if settings.Subjects == nil && settings.Mirror == nil {
		settings.Subjects = []string{name + ".>"}
	}
	p := &place{node: node, client: testnats.Client(t, node)}
	p.stream = testnats.CreateStream(t, p.client, settings)
	p.config = Stream{URL: "nats://" + node.Address() + "/" + settings.Name, Route: name + ".{feed}.{type}"}
	return p
}

// newLog returns a log that is not open: another publisher.
func (p *place) newLog(t *testing.T) *log { return newLogOf(t, p.config) }

func newLogOf(t *testing.T, s Stream) *log {
	t.Helper()
	_, err := Open(s)
	must.OK(t, err)
	to, err := parseURL(s.URL)
	must.OK(t, err)
	route, err := parseRoute(s.Route)
	must.OK(t, err)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	l := newLog(s, to, route)
	l.timeouts.quiet = 50 * time.Millisecond
	return l
}

// read returns the messages as a reader gets them that shares no code with the publisher.
func (p *place) read(t *testing.T) (all []logtest.Message) {
	t.Helper()
	for _, m := range p.node.Read(t, p.stream.CachedInfo().Config.Name) {
		all = append(all, logtest.Message{Attributes: m.Attributes(t), Data: m.Body})
	}
	return all
}

// stream returns the name of the stream.
func (s *Stream) stream(t *testing.T) string {
	t.Helper()
	to, err := parseURL(s.URL)
	must.OK(t, err)
	return to.stream
}

// isFinal reports whether an error ends a run, though no operator can mend it.
func isFinal(err error) bool {
	return errors.Is(err, seed.ErrMismatch) || errors.Is(err, seed.ErrMoved)
}
