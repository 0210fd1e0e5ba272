//go:build unix

package publishers_test

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// logUnderTest is a broker with a message log that holds one feed.
type logUnderTest struct {
	proxy   *testproxy.Faulty                    // in front of the broker
	publish string                               // the URL for --publish, by way of the proxy
	restart func(t *testing.T)                   // kills the broker, and starts it again
	perKey  bool                                 // only the messages of each key are in order
	stuck   func(t *testing.T)                   // see chaos; may be nil
	target  func() (seed.Target, error)          // the log, not by way of the proxy
	read    func(t *testing.T) []logtest.Message // all messages, by an independent client
}

// logKills publishes events to a message log, while publishers and broker are killed.
func logKills(t *testing.T, seeder string, l *logUnderTest) {
	t.Helper()
	p := &publication{source: source{random: newRandom(t)}, logUnderTest: l}
	p.serve(t, storetest.Open(t, testdb.SQLite(t)))
	storetest.Create(t, p.log, "orders", pageSize)
	p.feed(t)
	c := &chaos{source: &p.source, broker: p, proxy: l.proxy}
	if l.stuck != nil {
		c.stuck = func() { l.stuck(t) }
	}
	t.Log(c.run(t, []string{seeder, "run", "--from", p.from, "--publish", l.publish}))
	p.check(t)
}

// publication is a feed that is published to a log.
type publication struct {
	source
	*logUnderTest
	id string // of the feed
}

// feed looks up the feed's id.
func (p *publication) feed(t *testing.T) {
	t.Helper()
	f, err := p.log.Feed(t.Context(), "orders")
	must.OK(t, err)
	p.id = f.ID
}

func (p *publication) kill(t *testing.T) {
	t.Helper()
	p.restart(t)
}

// place returns the position at the end of the log. While the broker does not answer, it is asked again.
func (p *publication) place(t *testing.T) (position int64) {
	t.Helper()
	target, err := p.target()
	must.OK(t, err)
	session := checkpoint.Open(target.Checkpoint(), false)
	defer session.Close()
	session.Bind(p.id, "orders")
	p.waitUntil(t, "the log tells its end", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		all, err := session.Backend.(checkpoint.StatusReader).Statuses(ctx)
		if err == nil && len(all) > 0 {
			position = all[0].Position
		}
		return err == nil
	})
	return position
}

// check makes sure that the log holds each event once, in order and byte for byte.
func (p *publication) check(t *testing.T) {
	t.Helper()
	events, all := storetest.Read(t, p.log, "orders"), p.read(t)
	if len(all) != len(events) {
		t.Fatalf("%d messages for %d events", len(all), len(events))
	}
	if p.perKey {
		sortByPosition(t, all)
	}
	generation := all[0].Attributes[broker.GenerationAttribute]
	for i := range events {
		m := broker.Message{}
		m.Event = events[i].Event
		attributes := all[i].Attributes
		if attributes["datacontenttype"] != m.DataContentType {
			t.Errorf("position %d: data content type %q, want %q", i+1, attributes["datacontenttype"], m.DataContentType)
		}
		m.Attributes(func(name, value string) {
			switch name {
			case broker.FeedAttribute, broker.FeedIDAttribute, broker.EpochAttribute, broker.GenerationAttribute, broker.DigestAttribute, broker.DigestBeforeAttribute, broker.PositionAttribute:
			default:
				if attributes[name] != value {
					t.Errorf("position %d: attribute %s is %q, want %q", i+1, name, attributes[name], value)
				}
			}
		})
		place, err := broker.ReadPlace(func(name string) string { return attributes[name] })
		if err != nil || place.Position != int64(i+1) || attributes[broker.GenerationAttribute] != generation || place.Feed.ID != p.id {
			t.Fatalf("message %d is at %s: %v: %v", i+1, place, err, maps.Clone(attributes))
		}
		if !bytes.Equal(all[i].Data, events[i].Data) {
			t.Fatalf("position %d has other data", i+1)
		}
	}
	_, digest := storetest.Verify(t, p.log, "orders")
	if got := all[len(all)-1].Attributes[broker.DigestAttribute]; got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
}

// sortByPosition makes one order of messages of several partitions, in which those of each key must be in
// order: of a subject, or without one.
func sortByPosition(t *testing.T, all []logtest.Message) {
	t.Helper()
	last, position := make(map[string]int64), func(m logtest.Message) int64 {
		n, err := strconv.ParseInt(m.Attributes[broker.PositionAttribute], 10, 64)
		must.OK(t, err)
		return n
	}
	for _, m := range all {
		key, at := m.Attributes["subject"], position(m)
		if at <= last[key] {
			t.Errorf("position %d of subject %q comes after position %d", at, key, last[key])
		}
		last[key] = at
	}
	slices.SortStableFunc(all, func(a, b logtest.Message) int { return cmp.Compare(position(a), position(b)) })
}
