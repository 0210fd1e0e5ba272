package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

// leaveSequencesBehind leaves the database as logical replication makes one: with
// the rows, and with sequences that have drawn nothing.
func leaveSequencesBehind(t *testing.T, url string) {
	t.Helper()
	_, err := openPool(t, url).Exec(t.Context(), `
		ALTER SEQUENCE eventfeed.events_insert_no_seq RESTART;
		ALTER SEQUENCE eventfeed.feeds_feed_seq RESTART`)
	must.OK(t, err)
}

func TestAppendsGoOnWhereSequencesAreBehind(t *testing.T) {
	t.Parallel()
	inTx := func(level pgx.TxIsoLevel) func(t *testing.T, pool *pgxpool.Pool, n int) error {
		return func(t *testing.T, pool *pgxpool.Pool, n int) error {
			return pgx.BeginTxFunc(t.Context(), pool, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				result, err := outbox.Append(t.Context(), tx, "f", storetest.Events(n, n)...)
				if err == nil && result.New != 1 {
					err = fmt.Errorf("%d events added", result.New)
				}
				return err
			})
		}
	}
	const one = `SELECT eventfeed.append('f', 'Counted', 's', '{}', id => $1, source => '/test')`
	for name, add := range map[string]func(t *testing.T, pool *pgxpool.Pool, n int) error{
		"one, by the function": func(t *testing.T, pool *pgxpool.Pool, n int) error {
			_, err := pool.Exec(t.Context(), one, fmt.Sprint(n))
			return err
		},
		"one without an id": func(t *testing.T, pool *pgxpool.Pool, _ int) error {
			_, err := pool.Exec(t.Context(), `SELECT eventfeed.append_many('f', NULL, NULL, '{Counted}', NULL, NULL, NULL, NULL, NULL, NULL)`)
			return err
		},
		"read committed":  inTx(pgx.ReadCommitted),
		"repeatable read": inTx(pgx.RepeatableRead),
		"serializable":    inTx(pgx.Serializable),
	} {
		for _, session := range []string{"new session", "session that has appended before", "new session, a feed with entities"} {
			t.Run(name+", "+session, func(t *testing.T) {
				t.Parallel()
				url := testdb.Postgres(t)
				l := storetest.Open(t, url)
				if strings.Contains(session, "entities") {
					storetest.CreateWithEntities(t, l, "f")
				} else {
					storetest.Create(t, l, "f", 0)
				}
				config, err := pgxpool.ParseConfig(testdb.As(url, testdb.Writer))
				must.OK(t, err)
				config.MaxConns = 1
				pool, err := pgxpool.NewWithConfig(t.Context(), config)
				must.OK(t, err)
				t.Cleanup(pool.Close)
				storetest.Append(t, l, "f", storetest.Events(1, 30))
				if strings.Contains(session, "before") {
					must.OK(t, add(t, pool, 31))
				}
				leaveSequencesBehind(t, url)
				for n := 32; n <= 40; n++ {
					if err := add(t, pool, n); err != nil {
						t.Fatalf("event %d: %v", n, err)
					}
				}
				storetest.Drain(t, l, "f")
				want := int64(39)
				if strings.Contains(session, "before") {
					want++
				}
				if position, _ := storetest.Verify(t, l, "f"); position != want {
					t.Errorf("position %d, want %d", position, want)
				}
			})
		}
	}
}

// Where rows were rolled back there are numbers that nobody has. A new event must
// not take one that is lower than that of an event that is still pending.
func TestNoAppendOvertakesAPendingEventWhereSequencesAreBehind(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	tx, err := pool.Begin(t.Context())
	must.OK(t, err)
	_, err = outbox.Append(t.Context(), tx, "f", storetest.Events(101, 110)...)
	must.OK(t, err)
	must.OK(t, tx.Rollback(t.Context()))
	storetest.Append(t, l, "f", storetest.Events(1, 10))
	leaveSequencesBehind(t, url)
	pool.Reset() // to new sessions, as they are after a move
	must.OK(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := outbox.Append(t.Context(), tx, "f", storetest.Events(11, 15)...)
		return err
	}))
	storetest.Drain(t, l, "f")
	for i, e := range storetest.Read(t, l, "f") {
		if e.ID != fmt.Sprint(i+1) {
			t.Errorf("event %s is at position %d", e.ID, e.Position)
		}
	}
}

func TestWritersThatMeetSequencesBehindAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	storetest.Append(t, l, "f", storetest.Events(1, 500))
	storetest.Drain(t, l, "f")
	leaveSequencesBehind(t, url)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	var group errgroup.Group
	for writer := range 12 {
		group.Go(func() error {
			for n := range 20 {
				first := 1000 + 100*writer + 5*n
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					_, err := outbox.Append(t.Context(), tx, "f", storetest.Events(first, first+4)...)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	must.OK(t, group.Wait())
	storetest.Drain(t, l, "f")
	if position, _ := storetest.Verify(t, l, "f"); position != 500+12*20*5 {
		t.Errorf("position %d, want %d", position, 500+12*20*5)
	}
}

// The look for rows beyond the sequence must not be what serializable
// transactions read of one another.
func TestSerializableAppendsDoNotConflict(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	var open []pgx.Tx
	for n := range 4 {
		tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
		must.OK(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		_, err = outbox.Append(t.Context(), tx, "f", storetest.Events(n, n)...)
		must.OK(t, err)
		open = append(open, tx)
	}
	for _, tx := range slices.Backward(open) { // the last writer first, which its readers would not survive
		must.OK(t, tx.Commit(t.Context()))
	}
}

func TestFeedIsCreatedWhereSequencesAreBehind(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	leaveSequencesBehind(t, url)
	storetest.Create(t, l, "g", 0)
	if _, err := l.Create(t.Context(), store.Feed{Name: "f"}); !errors.Is(err, store.ErrFeedExists) {
		t.Errorf("create a feed that is there: %v", err)
	}
}

// A table of the service's own may be filled by a trigger, and have keys.
func TestViolationOfAnotherKeyIsNoConflictOfEvents(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	_, err := openPool(t, url).Exec(t.Context(), `
		CREATE TABLE audit (entity text CONSTRAINT one_a_subject UNIQUE);
		CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			'BEGIN INSERT INTO public.audit VALUES (NEW.subject); RETURN NEW; END';
		CREATE TRIGGER audit BEFORE INSERT ON eventfeed.events FOR EACH ROW EXECUTE FUNCTION audit()`)
	must.OK(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, 1))
	_, err = l.Append(t.Context(), "f", storetest.Events(8, 8)) // of the same subject
	var conflict *outbox.ConflictError
	if err == nil || errors.Is(err, outbox.ErrConflict) || errors.As(err, &conflict) {
		t.Errorf("append: %v; want the violation of one_a_subject as it is", err)
	}
}
