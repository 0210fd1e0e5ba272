package broker_test

import (
	"errors"
	"testing"

	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func intoMemory(place *logtest.Memory) func() seed.Target {
	return func() seed.Target { return broker.NewTarget("a log in memory", "memory", place.NewLog) }
}

func TestAFeedIsPublishedToALog(t *testing.T) {
	t.Parallel()
	logtest.RunFeed(t, func(*testing.T) logtest.FeedPlace {
		place := &logtest.Memory{}
		return logtest.FeedPlace{Into: intoMemory(place), Read: place.Read, Purge: func(*testing.T) { place.Purge() }}
	})
}

// published is a feed of 60 events, and a log in memory that it is published to.
type published struct {
	place logtest.Memory
	from  string
}

func newPublished(t *testing.T) *published {
	t.Helper()
	log := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, log, "orders", 10)
	storetest.Append(t, log, "orders", storetest.Events(1, 60))
	storetest.Drain(t, log, "orders")
	return &published{from: servertest.Serve(t, log).URL + "/feeds/orders"}
}

func (p *published) run(t *testing.T) {
	t.Helper()
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{p.from}, Into: intoMemory(&p.place)()}))
	all := p.place.Messages()
	for i := range all {
		if all[i].Position != int64(i+1) {
			t.Fatalf("message %d is %s", i, &all[i])
		}
	}
	if len(all) != 60 {
		t.Fatalf("%d messages", len(all))
	}
}

// TestALogThatBreaksOffIsContinuedAfterItsEnd: it takes one message after the other, so after an error
// a first part of a step is there.
func TestALogThatBreaksOffIsContinuedAfterItsEnd(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	breaks := map[int64]bool{1: true, 7: true, 20: true, 33: true, 34: true, 60: true}
	p.place.Break(func(position int64) bool {
		is := breaks[position]
		delete(breaks, position)
		return is
	})
	p.run(t)
	if len(breaks) > 0 {
		t.Errorf("no break at %v", breaks)
	}
}

func TestMessagesThatALogHasLostArePublishedAgain(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	for _, lost := range []int{0, 1, 17, 60} {
		p.place.Cut(min(lost, len(p.place.Messages())))
		p.run(t)
	}
}

// TestWhatIsNotTheBrokersFaultIsNotTriedAgain, although the log could be opened again.
func TestWhatIsNotTheBrokersFaultIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	fails := func(want error, c seed.Config) {
		t.Helper()
		var retries int64
		c.From, c.Into, c.Progress = []string{p.from}, intoMemory(&p.place)(), func(p seed.Progress) { retries = max(retries, p.Target.Retries) }
		if err := seed.Run(t.Context(), c); !errors.Is(err, want) || retries > 0 {
			t.Errorf("%v after %d retries, want %v", err, retries, want)
		}
	}
	fails(refused.ErrStart, seed.Config{StartAt: 99})
	fails(refused.ErrUntil, seed.Config{Until: 99})
	p.run(t)
	fails(refused.ErrBeyond, seed.Config{Until: 5})
}

// TestALogThatIsEmptiedUnderItsPublisherIsNotFilledFromTheStart: consumers may be at any position.
func TestALogThatIsEmptiedUnderItsPublisherIsNotFilledFromTheStart(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	p.place.Break(func(position int64) bool { return position == 20 })
	err := seed.Run(t.Context(), seed.Config{From: []string{p.from}, Into: intoMemory(&p.place)(), Progress: func(seed.Progress) {
		p.place.Cut(len(p.place.Messages()))
	}})
	if lost, is := errors.AsType[*broker.LostEndError](err); !is || !errors.Is(err, seed.ErrMismatch) || lost.Generation == 0 {
		t.Errorf("%v", err)
	}
	if all := p.place.Messages(); len(all) > 0 {
		t.Errorf("%d messages", len(all))
	}
}
