package checkpoint_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/storetest"
	"github.com/eventfeed/eventfeed/internal/testdb"
)

// keeper is what both kinds have in common, of what is tested.
type keeper interface {
	Migrate(ctx context.Context) error
	Claim(ctx context.Context, consumer string) error
	Release()
	Memory(consumer, feedID string) checkpoint.Memory
}

func eachKeeper(t *testing.T, test func(t *testing.T, k keeper, check func() error, exec func(statement string))) {
	t.Helper()
	t.Parallel()
	known := checkpoint.Consumer{Name: "c", Sink: checkpoint.SinkInbox}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 3)
		storetest.Must(t, err)
		t.Cleanup(pool.Close)
		k := checkpoint.NewPostgres(pool)
		check := func() error { return k.Check(t.Context(), known, func(pgx.Tx) error { return nil }) }
		test(t, k, check, func(statement string) {
			_, err := pool.Exec(t.Context(), strings.ReplaceAll(statement, "HOLDERS", "eventfeed_seed.holders"))
			storetest.Must(t, err)
		})
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		db, err := sqlitedb.OpenWriter(t.Context(), path)
		storetest.Must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		k := checkpoint.NewSQLite(db, path)
		check := func() error { return k.Check(t.Context(), known, func(*sql.Tx) error { return nil }) }
		test(t, k, check, func(statement string) {
			_, err := db.ExecContext(t.Context(), strings.ReplaceAll(statement, "HOLDERS", "eventfeed_holders"))
			storetest.Must(t, err)
		})
	})
}

// TestWhoHasLostTheConsumerWritesNothingBesideItsCheckpoints: what it has found out
// of a feed is not for the next holder, who may have gone back since.
func TestWhoHasLostTheConsumerWritesNothingBesideItsCheckpoints(t *testing.T) {
	eachKeeper(t, func(t *testing.T, k keeper, check func() error, exec func(string)) {
		storetest.Must(t, k.Migrate(t.Context()))
		storetest.Must(t, k.Claim(t.Context(), "c"))
		t.Cleanup(k.Release)
		memory := k.Memory("c", "urn:f")
		entries := []checkpoint.Version{{Entry: "a", Updated: 1}}
		record := func(url string) error {
			return memory.Record(t.Context(), &checkpoint.Archive{URL: url}, entries)
		}
		storetest.Must(t, record("u1"))
		storetest.Must(t, check())
		before, err := memory.Counts(t.Context())
		storetest.Must(t, err)
		exec("UPDATE HOLDERS SET holder = 'someone else'")
		for name, err := range map[string]error{
			"record": record("u2"),
			"mark":   memory.Mark(t.Context(), checkpoint.Marks{Entries: entries, Archives: []string{"u1"}}),
			"forget": memory.Forget(t.Context()),
			"check":  check(),
		} {
			if !errors.Is(err, checkpoint.ErrMoved) {
				t.Errorf("%s: %v", name, err)
			}
		}
		after, err := memory.Counts(t.Context())
		storetest.Must(t, err)
		if after != before {
			t.Errorf("%+v, was %+v", after, before)
		}
		storetest.Must(t, k.Claim(t.Context(), "c"))
		storetest.Must(t, record("u2"))
	})
}
