package logtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
)

// FeedPlace is a place of logs with the target that fills it.
type FeedPlace struct {
	// Into returns a target as a new process makes it.
	Into func() seed.Target
	// Read is as in Place.
	Read func(t *testing.T) []Message
	// Purge deletes all messages. nil leaves out the test of it.
	Purge func(t *testing.T)
}

// RunFeed runs the tests of a feed that is published to a log, each on a place that newPlace makes.
func RunFeed(t *testing.T, newPlace func(t *testing.T) FeedPlace) {
	for name, test := range map[string]func(*testing.T, *feedBench){
		"a feed is published, and then what is new":       publishes,
		"a publisher follows its feed":                    follows,
		"a publisher begins after a position":             startsAt,
		"a restored feed is published after a rewind":     restoredTwice,
		"a purged log is continued after a rewind":        purged,
		"what a log lacks is refused by name":             lacks,
		"another feed is not published into the same log": otherFeed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFeedBench(t, newPlace(t)))
		})
	}
}

// feedBench is a feed with 25 events, and a place to publish it to.
type feedBench struct {
	FeedPlace
	log      *store.Log
	database string
	config   seed.Config // without Into
}

const pageSize = 10

func newFeedBench(t *testing.T, place FeedPlace) *feedBench {
	t.Helper()
	b := &feedBench{FeedPlace: place}
	b.serve(t, testdb.SQLite(t))
	storetest.Create(t, b.log, "orders", pageSize)
	b.append(t, 1, 25, "")
	return b
}

// serve serves the log of a database from now on.
func (b *feedBench) serve(t *testing.T, database string) {
	t.Helper()
	b.database, b.log = database, storetest.Open(t, database)
	b.config = seed.Config{From: []string{servertest.Serve(t, b.log).URL + "/feeds/orders"}}
}

// append appends events, whose data is other than that of the same events before.
func (b *feedBench) append(t *testing.T, first, last int, other string) {
	t.Helper()
	events := storetest.Events(first, last)
	for i := range events {
		if other != "" {
			events[i].Data = fmt.Appendf(nil, "%q", other)
		}
	}
	storetest.Append(t, b.log, "orders", events)
	storetest.Drain(t, b.log, "orders")
}

// run publishes up to the end of the feed, in a process of its own.
func (b *feedBench) run(t *testing.T, change ...func(*seed.Config)) (seed.Progress, error) {
	t.Helper()
	var last seed.Progress
	config := b.config
	config.Into, config.Progress = b.Into(), func(p seed.Progress) { last = p }
	for _, f := range change {
		f(&config)
	}
	return last, seed.Run(t.Context(), config)
}

// wantPublished makes sure that the place holds these events of the feed, after what is expected
// before them, and nothing else.
func (b *feedBench) wantPublished(t *testing.T, before []string, first, last int) {
	t.Helper()
	want := append([]string{}, before...)
	var events []event.Placed
	if first <= last {
		events = storetest.Read(t, b.log, "orders")[first-1 : last]
	}
	for i := range events {
		want = append(want, fmt.Sprintf("%d %s %s", events[i].Position, events[i].ID, events[i].Data))
	}
	if got := b.published(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("published\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// published lists what the place holds.
func (b *feedBench) published(t *testing.T) (list []string) {
	t.Helper()
	for _, m := range b.Read(t) {
		is := m.Attributes["id"] + " " + string(m.Data)
		if m.Attributes["type"] == "eventfeed.marker" {
			is = "marker"
		}
		list = append(list, m.Attributes["efposition"]+" "+is)
	}
	return list
}

func publishes(t *testing.T, b *feedBench) {
	must.OK(t, errOf(b.run(t)))
	b.wantPublished(t, nil, 1, 25)
	must.OK(t, errOf(b.run(t)))
	b.append(t, 26, 60, "")
	must.OK(t, errOf(b.run(t, func(c *seed.Config) { c.Until = 40 })))
	b.wantPublished(t, nil, 1, 40)
	end, err := b.run(t)
	must.OK(t, err)
	b.wantPublished(t, nil, 1, 60)
	if position, digest := storetest.Verify(t, b.log, "orders"); end.Feeds[0].Position != position || end.Feeds[0].Digest != digest || end.Applied != 20 {
		t.Errorf("ended with %+v", end)
	}
}

func errOf(_ seed.Progress, err error) error { return err }

func follows(t *testing.T, b *feedBench) {
	ctx, stop := context.WithCancel(t.Context())
	at := make(chan int64, 1000)
	config := b.config
	config.Into, config.Follow = b.Into(), true
	config.Progress = func(p seed.Progress) { at <- p.Feeds[0].Position }
	ended := make(chan error, 1)
	go func() { ended <- seed.Run(ctx, config) }()
	waitFor := func(position int64) {
		for {
			select {
			case p := <-at:
				if p == position {
					return
				}
			case err := <-ended:
				t.Fatalf("the run ended: %v", err)
			}
		}
	}
	waitFor(25)
	b.append(t, 26, 27, "")
	waitFor(27)
	b.append(t, 28, 50, "")
	waitFor(50)
	stop()
	must.OK(t, <-ended)
	b.wantPublished(t, nil, 1, 50)
}

func startsAt(t *testing.T, b *feedBench) {
	must.OK(t, errOf(b.run(t, func(c *seed.Config) { c.StartAt = 13 })))
	b.wantPublished(t, []string{"13 marker"}, 14, 25)
	b.append(t, 26, 30, "")
	must.OK(t, errOf(b.run(t, func(c *seed.Config) { c.StartAt = 2 })))
	b.wantPublished(t, []string{"13 marker"}, 14, 30)
}

// restoredTwice restores the same backup twice, so that the numbers of epochs come again. A consumer that
// takes each message at once, and one that takes all at the end, have what the feed has.
func restoredTwice(t *testing.T, b *feedBench) {
	backup := filepath.Join(t.TempDir(), "backup.db")
	vacuumInto(t, b.database, backup)
	b.append(t, 26, 60, "")
	must.OK(t, errOf(b.run(t)))
	published, taken := b.published(t), 0
	quick, slow := &consumer{digest: b.firstDigest(t)}, &consumer{digest: b.firstDigest(t)}
	follow := func() {
		all := b.Read(t)
		quick.follow(t, all[taken:], historyOf(t, all))
		taken = len(all)
	}
	follow()
	for restored := range 2 {
		copied := filepath.Join(t.TempDir(), "restored.db")
		vacuumInto(t, "sqlite:"+backup, copied)
		b.serve(t, "sqlite:"+copied)
		must.OK(t, b.log.NewEpoch(t.Context(), "orders", "restored"))
		b.append(t, 26, 40+restored, fmt.Sprint("other ", restored))
		err := errOf(b.run(t))
		lost, is := errors.AsType[*seed.LostError](err)
		if !is || !lost.Compared || lost.Common > 25 || lost.Common < 15 {
			t.Fatalf("%v: %+v", err, lost)
		}
		config := b.config
		config.Into = b.Into()
		if err := seed.Rewind(t.Context(), config, lost.Common+1, nil); lost.Common == 25 && !errors.Is(err, seed.ErrMismatch) {
			t.Errorf("rewind too far: %v", err)
		}
		must.OK(t, seed.Rewind(t.Context(), config, lost.Common, nil))
		must.OK(t, errOf(b.run(t)))
		published = append(published, fmt.Sprint(lost.Common, " marker"))
		b.wantPublished(t, published, int(lost.Common)+1, 40+restored)
		published = b.published(t)
		follow()
	}
	all := b.Read(t)
	slow.follow(t, all, historyOf(t, all))
	if quick.startedOver != 2 {
		t.Errorf("the consumer that had applied lost events was told %d times, want 2", quick.startedOver)
	}
}

// firstDigest returns the digest before the first event.
func (b *feedBench) firstDigest(t *testing.T) string {
	t.Helper()
	f, err := b.log.Feed(t.Context(), "orders")
	must.OK(t, err)
	return feed.FirstDigest(f.ID).String()
}

// vacuumInto copies a SQLite database.
func vacuumInto(t *testing.T, url, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", path)
	must.OK(t, err)
}

func purged(t *testing.T, b *feedBench) {
	if b.Purge == nil {
		t.Skip("the place cannot be purged")
	}
	must.OK(t, errOf(b.run(t)))
	b.Purge(t)
	err := errOf(b.run(t))
	if !errors.Is(err, seed.ErrMismatch) {
		t.Fatalf("a purged log: %v", err)
	}
	config := b.config
	config.Into = b.Into()
	if err := seed.Rewind(t.Context(), config, 26, nil); err == nil {
		t.Errorf("rewound to position %d of %d", 26, 25)
	}
	must.OK(t, seed.Rewind(t.Context(), config, 12, nil))
	must.OK(t, errOf(b.run(t)))
	b.wantPublished(t, []string{"12 marker"}, 13, 25)
}

func lacks(t *testing.T, b *feedBench) {
	with := func(change func(*seed.Config)) error { return errOf(b.run(t, change)) }
	for want, err := range map[string]error{
		"no dry run: a message cannot be taken back":  with(func(c *seed.Config) { c.DryRun = true }),
		"no parking: consumers get the history":       with(func(c *seed.Config) { c.OnError = seed.Park }),
		"no second feed: a log has the history of":    with(func(c *seed.Config) { c.From = append(c.From, c.From[0]+"2") }),
		"no state as of a point in time: consumers":   with(func(c *seed.Config) { c.AsOf = time.Unix(1, 0) }),
		"no consumer names: a feed has one publisher": with(func(c *seed.Config) { c.Consumer = "second" }),
		"no reset: messages cannot be deleted":        seed.Reset(t.Context(), b.Into(), "", false, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if got := b.published(t); got != nil {
		t.Errorf("published %q", got)
	}
}

func otherFeed(t *testing.T, b *feedBench) {
	must.OK(t, errOf(b.run(t)))
	published := b.published(t)
	storetest.Create(t, b.log, "returns", pageSize)
	storetest.Append(t, b.log, "returns", storetest.Events(1, 3))
	storetest.Drain(t, b.log, "returns")
	err := errOf(b.run(t, func(c *seed.Config) { c.From[0] = strings.TrimSuffix(c.From[0], "orders") + "returns" }))
	if !errors.Is(err, seed.ErrMismatch) {
		t.Errorf("%v", err)
	}
	b.wantPublished(t, published, 1, 0)
}
