//go:build unix

package seednats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// publication is a feed with a stream that it is published to.
type publication struct {
	*place
	log  *store.Log
	from string
}

func newPublication(t *testing.T, events int) *publication {
	t.Helper()
	p := &publication{place: newPlace(t, testnats.Start(t), jetstream.StreamConfig{}), log: storetest.Open(t, storetest.Databases["sqlite"](t))}
	storetest.Create(t, p.log, "orders", 10)
	p.append(t, 1, events)
	p.from = servertest.Publish(t, p.log).URL + "/feeds/orders"
	return p
}

func (p *publication) append(t *testing.T, first, last int) {
	t.Helper()
	storetest.Append(t, p.log, "orders", storetest.Events(first, last))
	storetest.Drain(t, p.log, "orders")
}

// config returns the configuration of a run: another publisher.
func (p *publication) config(t *testing.T) seed.Config {
	t.Helper()
	into, err := Open(p.place.config)
	must.OK(t, err)
	return seed.Config{From: []string{p.from}, Into: into}
}

// wantFeed makes sure that the stream holds the events of the feed, each once and in order.
func (p *publication) wantFeed(t *testing.T) {
	t.Helper()
	events, all := storetest.Read(t, p.log, "orders"), p.read(t)
	if len(all) != len(events) {
		t.Errorf("%d messages for %d events", len(all), len(events))
	}
	for i := range min(len(all), len(events)) {
		if a := all[i].Attributes; a["id"] != events[i].ID || a[broker.PositionAttribute] != fmt.Sprint(i+1) || !bytes.Equal(all[i].Data, events[i].Data) {
			t.Fatalf("message %d is of event %s at position %s", i+1, a["id"], a[broker.PositionAttribute])
		}
	}
	_, digest := storetest.Verify(t, p.log, "orders")
	if got := all[len(all)-1].Attributes[broker.DigestAttribute]; got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
}

func TestAFeedIsPublishedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	p := newPublication(t, 25)
	must.OK(t, seed.Run(t.Context(), p.config(t)))
	must.OK(t, seed.Run(t.Context(), p.config(t)))
	p.wantFeed(t)
	storetest.Append(t, p.log, "orders", []event.Event{{
		ID: "full é", Source: "/shop", Type: "Order Placed", Subject: "o 1", DataContentType: "text/plain; charset=utf-8", DataSchema: "https://schemas.example/o",
		Extensions: map[string]string{"traceparent": "00-é"}, Data: []byte("\x00\xff body"),
	}})
	storetest.Drain(t, p.log, "orders")
	config := p.config(t)
	config.Follow, config.Until = true, 26
	must.OK(t, seed.Run(t.Context(), config))
	p.wantFeed(t)
	all := p.node.Read(t, p.place.config.stream(t))
	full := all[len(all)-1]
	if want := p.place.config.stream(t) + ".orders.Order%20Placed"; full.Subject != want || full.Headers["ce-id"] != "full%20%C3%A9" ||
		full.Headers["ce-datacontenttype"] != "text/plain;%20charset=utf-8" || full.Headers["ce-traceparent"] != "00-%C3%A9" {
		t.Errorf("%+v", full)
	}
}

func TestAPurgedStreamEndsTheRunAndARewindContinuesIt(t *testing.T) {
	t.Parallel()
	p := newPublication(t, 8)
	must.OK(t, seed.Run(t.Context(), p.config(t)))
	must.OK(t, p.stream.Purge(t.Context()))
	p.append(t, 9, 10)
	if err := seed.Run(t.Context(), p.config(t)); !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), "sequence 8, was deleted") {
		t.Errorf("a run to a purged stream: %v", err)
	}
	must.OK(t, seed.Rewind(t.Context(), p.config(t), 6, nil))
	config := p.config(t)
	config.Follow, config.Until = true, 10
	must.OK(t, seed.Run(t.Context(), config))
	var got []string
	for _, m := range p.read(t) {
		got = append(got, m.Attributes["type"][:1]+m.Attributes[broker.PositionAttribute])
	}
	if len(got) != 5 || got[0] != "e6" || !strings.HasSuffix(got[1], "7") || !strings.HasSuffix(got[4], "10") {
		t.Errorf("%q, want a marker at position 6 and the events after it", got)
	}
}

// Both publishers get each new event. One of them ends when it has met the other one twice.
func TestOfTwoPublishersThatFollowOneEndsAndNothingDoubles(t *testing.T) {
	t.Parallel()
	p := newPublication(t, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 2)
	for range 2 {
		config := p.config(t)
		config.Follow = true
		config.Into = broker.NewTarget("stream", "stream", func() broker.Log {
			l := p.newLog(t)
			l.timeouts.rival = 2 * time.Second
			return l
		})
		go func() { ended <- seed.Run(ctx, config) }()
	}
	var first error
	over, last := false, 5
	for ; last < 2000 && !over; last++ {
		p.append(t, last+1, last+1)
		settled(t, p.place, uint64(last+1))
		select {
		case first = <-ended:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	if !errors.Is(first, seed.ErrMoved) {
		t.Fatalf("after %d events one has ended with %v, want ErrMoved", last, first)
	}
	p.append(t, last+1, last+5)
	settled(t, p.place, uint64(last+5))
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the other one has ended with %v", err)
	}
	p.wantFeed(t)
}
