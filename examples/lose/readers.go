package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// pause is what lies between two looks into the outbox table.
const pause = 10 * time.Millisecond

// reader counts what it has read, each event once.
type reader struct {
	name string
	shop *shop

	mu   sync.Mutex
	seen map[string]bool
	wait time.Duration // the longest from a commit to its reader
}

func newReader(name string, shop *shop) *reader {
	return &reader{name: name, shop: shop, seen: make(map[string]bool)}
}

func (r *reader) read(id string) {
	took := r.shop.since(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[id] = true
	r.wait = max(r.wait, took)
}

func (r *reader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

func (r *reader) longest() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait
}

// The readers that lose events, and that wait.
const (
	lastSeen = "the last id that was seen"
	stalls   = "below pg_snapshot_xmin"
)

// readers are all that read along.
type readers struct {
	all   []*reader
	stop  context.CancelFunc
	group *errgroup.Group
}

func startReaders(ctx context.Context, shop *shop) *readers {
	ctx, stop := context.WithCancel(ctx)
	all := &readers{stop: stop, group: &errgroup.Group{}}
	begin := func(name string, read func(ctx context.Context, r *reader) error) {
		r := newReader(name, shop)
		all.all = append(all.all, r)
		all.group.Go(func() error {
			if err := read(ctx, r); ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	begin(lastSeen, lastID)
	begin(stalls, belowXmin)
	begin("eventfeed", follow)
	return all
}

// finish gives the readers time to read what was written, and ends them.
func (all *readers) finish(ctx context.Context, written int) error {
	for _, r := range all.all {
		silence := time.Minute // in which nothing comes any more
		if r.name == lastSeen {
			silence = 3 * time.Second
		}
		count, last := r.count(), time.Now()
		for count < written && time.Since(last) < silence && ctx.Err() == nil {
			time.Sleep(pause)
			if n := r.count(); n > count {
				count, last = n, time.Now()
			}
		}
	}
	all.stop()
	return errors.Join(ctx.Err(), all.group.Wait())
}

// lastID remembers the highest id. An event whose transaction commits after one with a
// higher id is never asked for.
func lastID(ctx context.Context, r *reader) error {
	var last int64
	return poll(ctx, r, "SELECT id, event FROM outbox WHERE id > $1 ORDER BY id", &last)
}

// belowXmin asks for what is older than every transaction that is open, anywhere in the
// database server.
func belowXmin(ctx context.Context, r *reader) error {
	var last int64
	return poll(ctx, r, `
		SELECT transaction::text::bigint, event FROM outbox
		WHERE transaction > $1::bigint::text::xid8 AND transaction < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY transaction`, &last)
}

// poll asks again and again for what comes after the last place, which is the first column.
func poll(ctx context.Context, r *reader, query string, last *int64) error {
	for ctx.Err() == nil {
		rows, err := r.shop.pool.Query(ctx, query, *last)
		if err != nil {
			return err
		}
		var id string
		if _, err := pgx.ForEachRow(rows, []any{last, &id}, func() error {
			r.read(id)
			return nil
		}); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// follow is a seeder: it reads the feed into another database, and counts there.
func follow(ctx context.Context, r *reader) error {
	return seed.Run(ctx, seed.Config{
		From: []string{r.shop.feed}, Follow: true,
		Into: seedpgx.Open(r.shop.target).Handle(func(_ context.Context, _ pgx.Tx, batch seed.Batch) error {
			for _, e := range batch.Events {
				r.read(e.ID)
			}
			return nil
		}),
	})
}
