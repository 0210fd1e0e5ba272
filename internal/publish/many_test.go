package publish_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// counting counts which feeds the sequencer turns to.
type counting struct {
	store.Backend
	mu        sync.Mutex
	sequenced map[string]int
}

func (c *counting) Write(ctx context.Context, wait time.Duration, step func(store.Tx) error) error {
	return c.Backend.Write(ctx, wait, func(tx store.Tx) error { return step(countingTx{tx, c}) })
}

type countingTx struct {
	store.Tx
	counting *counting
}

func (t countingTx) Lock(ctx context.Context, name string) (store.Feed, string, error) {
	t.counting.mu.Lock()
	defer t.counting.mu.Unlock()
	t.counting.sequenced[name]++
	return t.Tx.Lock(ctx, name)
}

// Many feeds cost one look a poll: the sequencer turns only to those with
// something to do.
func TestSequencerTurnsOnlyToBusyFeeds(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.Postgres(t))
	const feeds, busy = 1000, 10
	for n := range feeds {
		storetest.Create(t, l, fmt.Sprintf("f%d", n), 0)
	}
	count := &counting{Backend: l.Backend, sequenced: map[string]int{}}
	stop := start(t, store.New(count))
	defer stop()
	want := map[string]bool{}
	for round := range 3 {
		for n := 0; n < feeds; n += feeds / busy {
			name := fmt.Sprintf("f%d", n)
			want[name] = true
			storetest.Append(t, l, name, storetest.Events(round*20+1, round*20+20))
		}
		for name := range want {
			waitFor(t, l, name, int64(round*20+20), 0)
		}
	}
	count.mu.Lock()
	defer count.mu.Unlock()
	if got := slices.Sorted(maps.Keys(count.sequenced)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("sequenced %v, busy were %v", got, want)
	}
}

func TestIdleServerWritesNothing(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	storetest.Drain(t, l, "f")
	l.Close() // so that all it has done is counted
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	written := func() (rows int64) {
		time.Sleep(500 * time.Millisecond) // a session that was closed has a moment to end
		must.OK(t, conn.QueryRow(t.Context(), `
			SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables`).Scan(&rows))
		return rows
	}
	before := written()
	l = storetest.Open(t, url)
	stop := start(t, l)
	time.Sleep(2 * time.Second)
	stop()
	l.Close()
	if after := written(); after != before || before < 50 {
		t.Errorf("%d rows were written, %d before", after-before, before)
	}
}
