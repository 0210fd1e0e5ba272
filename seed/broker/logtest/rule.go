package logtest

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// consumer applies messages by the rule of docs/brokers.md. Its fields are what the rule keeps in the
// consumer's database.
type consumer struct {
	generation, position int64
	digest               string
	applied              []string // by their positions, from 1 on
	startedOver          int      // how often a person had to decide
}

// history is what the feed has: the event of each position, and the digest there.
type history struct{ events, digests []string }

// historyOf returns the history that the messages of a log end with.
func historyOf(t *testing.T, all []Message) (h history) {
	t.Helper()
	for _, m := range all {
		position, err := strconv.Atoi(m.Attributes[broker.PositionAttribute])
		must.OK(t, err)
		if isMarker(m) {
			h.events, h.digests = h.events[:position:position], h.digests[:position:position]
			continue
		}
		h.events, h.digests = append(h.events, eventOf(m)), append(h.digests, m.Attributes[broker.DigestAttribute])
	}
	return h
}

func isMarker(m Message) bool { return m.Attributes["type"] == broker.MarkerType }

func eventOf(m Message) string { return fmt.Sprint(m.Attributes["id"], " ", string(m.Data)) }

// compare applies what the consumer lacks of the feed. If the feed has lost what the consumer has
// applied, the consumer starts over, as a person would decide.
func (c *consumer) compare(h history) {
	if c.position > int64(len(h.events)) || c.position > 0 && h.digests[c.position-1] != c.digest {
		c.startedOver++
		c.applied = nil
	}
	c.applied = append(c.applied, h.events[len(c.applied):]...)
	c.position = int64(len(h.events))
	c.digest = h.digests[len(h.digests)-1]
}

// take applies or drops a message, while the feed has a history.
func (c *consumer) take(t *testing.T, m Message, h history) {
	t.Helper()
	generation, err := strconv.ParseInt(m.Attributes[broker.GenerationAttribute], 10, 64)
	must.OK(t, err)
	position, err := strconv.ParseInt(m.Attributes[broker.PositionAttribute], 10, 64)
	must.OK(t, err)
	before := position
	if !isMarker(m) {
		before--
	}
	for compared := false; ; compared = true {
		switch {
		case generation < c.generation, before < c.position && (c.generation == 0 || c.generation == generation):
			return
		case before == c.position && m.Attributes[broker.DigestBeforeAttribute] == c.digest:
			if !isMarker(m) {
				c.applied, c.position, c.digest = append(c.applied, eventOf(m)), position, m.Attributes[broker.DigestAttribute]
			}
			c.generation = generation
			return
		case compared:
			c.generation = generation
			return
		}
		c.compare(h)
	}
}

// follow lets a consumer take messages, and then compare itself with the feed, as it does each minute. It
// must end with what the feed has.
func (c *consumer) follow(t *testing.T, all []Message, h history) {
	t.Helper()
	for _, m := range all {
		c.take(t, m, h)
	}
	if c.position != int64(len(h.events)) {
		t.Errorf("the consumer is at position %d of %d after the last message", c.position, len(h.events))
	}
	c.compare(h)
	if !slices.Equal(c.applied, h.events) {
		t.Errorf("the consumer has applied\n%q\nthe feed has\n%q", c.applied, h.events)
	}
}
