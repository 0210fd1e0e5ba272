// Package publishbench measures publishers to message brokers beside the brokers' own clients.
package publishbench

import (
	"slices"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Bench is a benchmark of one publisher, in rounds: the publisher, which reads the feed from a server,
// and then a client, which has the same messages in memory.
type Bench struct {
	// Messages are what the publisher sends for the events, with digests of the same length.
	Messages []broker.Message

	from         string
	ours, theirs time.Duration
	last         time.Duration
	ratios       []float64
}

// New makes a feed with events, sealed and served.
func New(b *testing.B, events int) *Bench {
	b.Helper()
	log := storetest.Open(b, storetest.Databases["sqlite"](b))
	storetest.Create(b, log, "orders", 500)
	for first := 1; first <= events; first += 10_000 {
		storetest.Append(b, log, "orders", storetest.Events(first, first+9_999))
	}
	storetest.Drain(b, log, "orders")
	x := &Bench{from: servertest.Publish(b, log).URL + "/feeds/orders"}
	for _, e := range storetest.Read(b, log, "orders") {
		x.Messages = append(x.Messages, broker.Message{
			Delivered:  event.Delivered{Placed: e, Feed: "orders", FeedID: "urn:uuid:321f966e-5ede-4d71-900e-836b44dae192"},
			Generation: 1_800_000_000, Epoch: "e603573e-d703-4da4-85f8-0a1e2d34208f",
		})
	}
	return x
}

// Publish publishes the history: the first half of a round.
func (x *Bench) Publish(b *testing.B, into seed.Target) {
	b.Helper()
	began := time.Now()
	if err := seed.Run(b.Context(), seed.Config{From: []string{x.from}, Into: into}); err != nil {
		b.Fatal(err)
	}
	x.last = time.Since(began)
}

// Beside ends a round with how long the client took for the same messages.
func (x *Bench) Beside(client time.Duration) {
	x.ours, x.theirs = x.ours+x.last, x.theirs+client
	x.ratios = append(x.ratios, client.Seconds()/x.last.Seconds())
}

// Report reports both rates, and the median of the rounds' ratios: the publisher's rate to the client's.
func (x *Bench) Report(b *testing.B) {
	b.Helper()
	n := float64(len(x.Messages) * len(x.ratios))
	b.ReportMetric(n/x.ours.Seconds(), "publisher-events/s")
	b.ReportMetric(n/x.theirs.Seconds(), "client-events/s")
	slices.Sort(x.ratios)
	b.ReportMetric(x.ratios[len(x.ratios)/2], "median-ratio")
}
