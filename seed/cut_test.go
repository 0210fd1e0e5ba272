//go:build unix

package seed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestAConnectionToTheTargetCutAtAnyByteChangesNothing: whatever was being done on it, by whatever
// sink, the target has each event once.
func TestAConnectionToTheTargetCutAtAnyByteChangesNothing(t *testing.T) {
	t.Parallel()
	const events = 65
	s := newSource(t, events)
	project := func(text string) func(*pgxpool.Pool) seed.Config {
		return func(pool *pgxpool.Pool) seed.Config {
			into, err := seedpgx.Open(pool).Projection(seed.Projection{Name: "test.sql", Text: []byte(text)})
			must.OK(t, err)
			return seed.Config{Into: into, OnError: seed.Park}
		}
	}
	const table = "CREATE TABLE seen (id text PRIMARY KEY, position bigint);\n-- on "
	const refusing = "CREATE TABLE seen (id text PRIMARY KEY, position bigint, CHECK (position % 20 <> 0));\n-- on "
	const insert = "Counted\nINSERT INTO seen (id, position) VALUES (:id, :position);\n"
	count := "SELECT count(*) FROM seen"
	for name, test := range map[string]struct {
		config func(*pgxpool.Pool) seed.Config
		count  string
	}{
		"the inbox":    {func(pool *pgxpool.Pool) seed.Config { return seed.Config{Into: seedpgx.Open(pool).Inbox()} }, "SELECT count(*) FROM eventfeed_inbox.events"},
		"a projection": {project(table + insert), count},
		"parking":      {project(refusing + insert), "SELECT (SELECT count(*) FROM seen) + (SELECT count(*) FROM eventfeed_seed.parked)"},
		"a dry run": {func(pool *pgxpool.Pool) seed.Config {
			config := project(table + insert)(pool)
			config.DryRun = true
			return config
		}, fmt.Sprintf("SELECT %d - (to_regclass('seen') IS NOT NULL)::int", events)},
		"a handler": {func(pool *pgxpool.Pool) seed.Config {
			return seed.Config{Into: seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS seen (id text PRIMARY KEY)"); err != nil {
					return err
				}
				batch := &pgx.Batch{}
				for i := range b.Events {
					batch.Queue("INSERT INTO seen VALUES ($1)", b.Events[i].ID)
				}
				return tx.SendBatch(ctx, batch).Close()
			})}
		}, count},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cut := func(t *testing.T, at int64, reset bool) int64 {
				database := testdb.Postgres(t)
				relay := testproxy.NewCut(t, hostOf(t, database), at)
				relay.Reset = reset
				config := test.config(openThrough(t, relay, database))
				config.From, config.Prefetch = []string{s.feed()}, 2
				must.OK(t, seed.Run(t.Context(), config))
				pool, err := pgxpool.New(t.Context(), database)
				must.OK(t, err)
				defer pool.Close()
				var n int
				must.OK(t, pool.QueryRow(t.Context(), test.count).Scan(&n))
				if n != events {
					t.Errorf("%d of %d events are in", n, events)
				}
				return relay.Sent()
			}
			sent := cut(t, -1, false)
			for i := range 6 {
				at := rand.Int64N(sent)
				t.Run(fmt.Sprintf("%d: at %d of %d", i, at, sent), func(t *testing.T) {
					t.Parallel()
					cut(t, at, i%2 == 0)
				})
			}
		})
	}
}

// openThrough opens a database through a relay.
func openThrough(t *testing.T, relay *testproxy.Cut, database string) *pgxpool.Pool {
	t.Helper()
	through, err := url.Parse(database)
	must.OK(t, err)
	through.Host = relay.Address()
	pool, err := postgresdb.Open(t.Context(), through.String(), 3)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func hostOf(t *testing.T, database string) string {
	t.Helper()
	parsed, err := url.Parse(database)
	must.OK(t, err)
	return parsed.Host
}
