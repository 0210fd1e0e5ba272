//go:build unix

package publishers_test

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// consumer applies messages by what they say of their places, and nothing else. It is stricter than the rule
// of docs/brokers.md, which asks the feed about all that does not fit: here that is an error, so what the
// publisher sends is tested alone. The tests of docs/brokers.md run the rule.
type consumer struct {
	generation, position int64
	digest               string

	applied []message // by their positions, from 1 on
	dropped int       // messages that were applied before, or of an earlier generation
	fetched int       // events that the feed had to fill in
}

// newConsumer returns a consumer that has applied nothing of a feed.
func newConsumer(t *testing.T, log *store.Log) *consumer {
	t.Helper()
	f, err := log.Feed(t.Context(), "orders")
	must.OK(t, err)
	return &consumer{digest: feed.FirstDigest(f.ID).String()}
}

// message is a message with what the rule asks of it.
type message struct {
	testrabbit.Message
	marker                       bool
	generation, position, before int64
	digest, digestBefore         string
}

func parse(t *testing.T, m testrabbit.Message) message {
	t.Helper()
	p := message{Message: m, marker: m.Headers["cloudEvents:type"] == "eventfeed.marker", digest: m.Headers["cloudEvents:efdigest"], digestBefore: m.Headers["cloudEvents:efdigestbefore"]}
	var err error
	p.generation, err = strconv.ParseInt(m.Headers["cloudEvents:efgeneration"], 10, 64)
	must.OK(t, err)
	p.position, err = strconv.ParseInt(m.Headers["cloudEvents:efposition"], 10, 64)
	must.OK(t, err)
	if p.before = p.position; !p.marker {
		p.before--
	}
	return p
}

// backError reports that the publisher went back to a position before the consumer's: a person decides.
type backError struct{ to, from int64 }

func (e *backError) Error() string {
	return fmt.Sprintf("the publisher went back to position %d, %d are applied", e.to, e.from)
}

// take applies a message, or drops it. fetch returns the event of a position from the feed.
func (c *consumer) take(m message, fetch func(position int64) (message, error)) error {
	switch {
	case m.generation < c.generation:
		c.dropped++
		return nil
	case c.generation != 0 && m.generation > c.generation && m.before < c.position:
		return &backError{m.before, c.position}
	case m.before < c.position:
		c.dropped++
		return nil
	}
	for c.position < m.before {
		next, err := fetch(c.position + 1)
		if err != nil {
			return err
		}
		if err := c.apply(next); err != nil {
			return err
		}
		c.fetched++
	}
	if m.marker {
		if m.digestBefore != c.digest {
			return fmt.Errorf("the marker of generation %d at position %d is of another history", m.generation, m.position)
		}
		c.generation = m.generation
		return nil
	}
	if err := c.apply(m); err != nil {
		return err
	}
	c.generation = m.generation
	return nil
}

// apply applies an event whose place is the next one.
func (c *consumer) apply(m message) error {
	if m.position != c.position+1 || m.digestBefore != c.digest {
		return fmt.Errorf("position %d, generation %d, follows digest %s; position %d of the consumer has %s", m.position, m.generation, m.digestBefore, c.position, c.digest)
	}
	c.applied = append(c.applied, m)
	c.position, c.digest = m.position, m.digest
	return nil
}

// takeBack undoes what was applied after a position, 1 or later: what a person decides who wants the publisher's
// history.
func (c *consumer) takeBack(to int64) {
	c.applied = c.applied[:to]
	c.position, c.digest = to, c.applied[to-1].digest
}

// wantSame checks that an applied message has an event as the log has it, to the byte.
func wantSame(t *testing.T, m message, e event.Placed) {
	t.Helper()
	got := maps.Clone(m.Headers)
	for _, place := range []string{"effeed", "effeedid", "efepoch", "efgeneration", "efdigest", "efdigestbefore"} {
		if got["cloudEvents:"+place] == "" {
			t.Errorf("position %d has no %s", e.Position, place)
		}
		delete(got, "cloudEvents:"+place)
	}
	want := map[string]string{
		"cloudEvents:specversion": "1.0", "cloudEvents:id": e.ID, "cloudEvents:source": e.Source, "cloudEvents:type": e.Type,
		"cloudEvents:time": cloudevents.FormatTime(e.Time), "cloudEvents:efposition": strconv.FormatInt(e.Position, 10),
		"cloudEvents:efrecorded": cloudevents.FormatTime(e.Recorded),
	}
	if e.Subject != "" {
		want["cloudEvents:subject"] = e.Subject
	}
	for name, value := range e.Extensions {
		want["cloudEvents:"+name] = value
	}
	if !maps.Equal(got, want) {
		t.Errorf("position %d has headers %q, want %q", e.Position, got, want)
	}
	if !bytes.Equal(m.Body, e.Data) || m.ContentType != e.DataContentType || !m.Persistent || m.RoutingKey != "orders."+e.Type {
		t.Errorf("position %d: %d bytes %.40q of %s for key %s, persistent: %v; the log has %d bytes %.40q of %s",
			e.Position, len(m.Body), m.Body, m.ContentType, m.RoutingKey, m.Persistent, len(e.Data), e.Data, e.DataContentType)
	}
}

// wantState checks that a consumer has applied a log's events, each once and in order.
func (c *consumer) wantState(t *testing.T, events []event.Placed, digest string) {
	t.Helper()
	if len(c.applied) != len(events) || c.position != int64(len(events)) || c.digest != digest {
		t.Errorf("%d events are applied, up to position %d with digest %s; the log has %d with %s", len(c.applied), c.position, c.digest, len(events), digest)
	}
	for i := range min(len(c.applied), len(events)) {
		if wantSame(t, c.applied[i], events[i]); t.Failed() {
			return
		}
	}
}
