package seed_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestConstraintsCheckedAtTheCommitParkTheRightEvent: also there each event may
// break them for a while, as long as it mends them itself.
func TestConstraintsCheckedAtTheCommitParkTheRightEvent(t *testing.T) {
	t.Parallel()
	for _, rehearsal := range []bool{false, true} {
		t.Run(fmt.Sprintf("rehearsal %t", rehearsal), func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 30)
			pool := newPool(t)
			for _, statement := range []string{
				"CREATE SCHEMA odd",
				`CREATE TABLE odd.parent (position bigint PRIMARY KEY, CONSTRAINT "at once" UNIQUE (position) DEFERRABLE INITIALLY IMMEDIATE)`,
				`CREATE TABLE child (position bigint CONSTRAINT "at the ""end" REFERENCES odd.parent DEFERRABLE INITIALLY DEFERRED)`,
				`CREATE TABLE twin (position bigint CONSTRAINT "at the ""end" REFERENCES odd.parent DEFERRABLE INITIALLY DEFERRED)`,
			} {
				_, err := pool.Exec(t.Context(), statement)
				must.OK(t, err)
			}
			handle := func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				for _, e := range b.Events {
					for _, table := range []string{"child", "twin", "odd.parent"} {
						if table == "odd.parent" && e.Position%10 == 3 {
							continue // so that there is none
						}
						if _, err := tx.Exec(ctx, "INSERT INTO "+table+" VALUES ($1)", e.Position); err != nil {
							return err
						}
					}
				}
				return nil
			}
			var last seed.Progress
			must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle),
				OnError: seed.Park, DryRun: rehearsal, Progress: func(p seed.Progress) { last = p }}))
			if last.Parked != 9 || last.Applied != 21 { // 3 with 10, 17, 24; 13 with 20, 27; 23 with 30
				t.Errorf("%d events were parked, %d applied", last.Parked, last.Applied)
			}
			var children, parents int
			must.OK(t, pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM child), (SELECT count(*) FROM odd.parent)").Scan(&children, &parents))
			if !rehearsal && (children != 21 || parents != 21) || rehearsal && children+parents > 0 {
				t.Errorf("%d children, %d parents", children, parents)
			}
		})
	}
}

// TestAnErrorAtTheCommitThatNoEventCanBeToldBySaysSo, and neither parks anything
// nor tries for ever.
func TestAnErrorAtTheCommitThatNoEventCanBeToldBySaysSo(t *testing.T) {
	t.Parallel()
	s := newSource(t, 30)
	pool := newPool(t)
	calls := 0
	handle := func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
		calls++
		_, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS made (n int CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO made VALUES (1)")
		if err == nil && len(b.Events) > 1 {
			_, err = tx.Exec(ctx, "INSERT INTO made VALUES (1)")
		}
		return err
	}
	err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle), OnError: seed.Park})
	if err == nil || !strings.Contains(err.Error(), "failed at the commit") || calls != 2 {
		t.Errorf("after %d calls ended with %v", calls, err)
	}
	if n := parkedRows(t, pool); n != 0 {
		t.Errorf("%d events are parked", n)
	}
}

func parkedRows(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	must.OK(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM eventfeed_seed.parked").Scan(&n))
	return n
}
