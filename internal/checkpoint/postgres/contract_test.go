package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/checkpointtest"
	"github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

func TestMain(m *testing.M) {
	checkpointtest.Main(m, func(url string) (checkpoint.Target, error) {
		pool, err := pgxpool.New(context.Background(), url)
		return inbox(pool), err
	})
}

// inbox is a target that adds every event to the inbox.
func inbox(pool *pgxpool.Pool) postgres.Target {
	return postgres.Target{
		Pool: pool, NewSink: func() postgres.Sink { return &postgres.Inbox{} },
		About: checkpoint.Description{Sink: checkpoint.Consumer{Sink: checkpoint.SinkInbox, KeepsEvents: true}},
	}
}

func TestTheContract(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, newPlace)
}

func TestAProcessThatDiesLosesNothingAndAppliesNothingTwice(t *testing.T) {
	t.Parallel()
	checkpointtest.RunDeaths(t, newPlace)
}

func newPlace(t *testing.T) checkpointtest.Place {
	t.Helper()
	url := testdb.Postgres(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return checkpointtest.Place{
		Target: inbox(pool), URL: url,
		Steal: func(t *testing.T) {
			t.Helper()
			_, err := pool.Exec(t.Context(), "UPDATE eventfeed_seed.holders SET holder = 'x'; UPDATE eventfeed_seed.checkpoints SET holder = 'x'")
			if err != nil {
				t.Fatal(err)
			}
		},
		Applied: func(t *testing.T) []int64 {
			t.Helper()
			var there bool
			if err := pool.QueryRow(t.Context(), "SELECT to_regclass('eventfeed_inbox.events') IS NOT NULL").Scan(&there); err != nil || !there {
				return nil
			}
			rows, err := pool.Query(t.Context(), "SELECT position FROM eventfeed_inbox.events ORDER BY position")
			if err != nil {
				t.Fatal(err)
			}
			all, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				t.Fatal(err)
			}
			return all
		},
	}
}
