package seed_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// ledger is a target with constraints that some events do not fit: no entry may
// be 13, and no total above 30.
type ledger struct {
	// target returns it with a handler that calls hook for each event, before
	// anything is written.
	target func(hook hook) seed.Target
	exec   func(t *testing.T, statement string)
	lines  func(t *testing.T, query string) []string // of one column
	mend   map[string]string                         // a constraint, and what drops it
}

type run1 = func(ctx context.Context, statement string, arguments ...any) error

// hook is what a test does in a handler, with the handler's transaction.
type hook func(ctx context.Context, do run1, e *event.Delivered) error

const ledgerTables = `
CREATE TABLE entries (feed text, position bigint, n int, live boolean, PRIMARY KEY (feed, position));
CREATE TABLE totals (feed text, subject text, total int, trail text, PRIMARY KEY (feed, subject));`

func eachLedger(t *testing.T, test func(t *testing.T, l ledger)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgresLedger(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteLedger(t))
	})
}

func postgresLedger(t *testing.T) ledger {
	t.Helper()
	pool := newPool(t)
	l := ledger{
		exec: postgresExec(pool),
		mend: map[string]string{
			"entry": "ALTER TABLE entries DROP CONSTRAINT no13",
			"total": "ALTER TABLE totals DROP CONSTRAINT most",
		},
		target: func(h hook) seed.Target {
			return seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				return book(ctx, func(ctx context.Context, statement string, arguments ...any) error {
					_, err := tx.Exec(ctx, statement, arguments...)
					return err
				}, b, h)
			})
		},
		lines: func(t *testing.T, query string) []string {
			rows, err := pool.Query(t.Context(), query)
			must.OK(t, err)
			all, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must.OK(t, err)
			return all
		},
	}
	for statement := range strings.SplitSeq(ledgerTables, ";") {
		l.exec(t, statement)
	}
	l.exec(t, "ALTER TABLE entries ADD CONSTRAINT no13 CHECK (n <> 13)")
	l.exec(t, "ALTER TABLE totals ADD CONSTRAINT most CHECK (total <= 30)")
	return l
}

func sqliteLedger(t *testing.T) ledger {
	t.Helper()
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	l := ledger{
		exec: sqliteExec(path),
		mend: map[string]string{"entry": "DROP TRIGGER no13", "total": "DROP TRIGGER most"},
		target: func(h hook) seed.Target {
			return seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
				return book(ctx, func(ctx context.Context, statement string, arguments ...any) error {
					_, err := tx.ExecContext(ctx, strings.ReplaceAll(statement, "$", "?"), arguments...)
					return err
				}, b, h)
			})
		},
		lines: func(t *testing.T, query string) []string { return querySQLite(t, path, query) },
	}
	l.exec(t, ledgerTables+`
		CREATE TRIGGER no13 AFTER INSERT ON entries WHEN NEW.n = 13 BEGIN SELECT RAISE(ABORT, 'no13'); END;
		CREATE TRIGGER most AFTER UPDATE ON totals WHEN NEW.total > 30 BEGIN SELECT RAISE(ABORT, 'most'); END;`)
	return l
}

// book is the handler: an entry for each event, and a total for each entity.
func book(ctx context.Context, do run1, b seed.Batch, h hook) error {
	for i := range b.Events {
		e := &b.Events[i]
		if h != nil {
			if err := h(ctx, do, e); err != nil {
				return err
			}
		}
		n := numberOf(&e.Event)
		if err := do(ctx, "INSERT INTO entries VALUES ($1, $2, $3, $4)", e.Feed, e.Position, n, e.Live); err != nil {
			return fmt.Errorf("entry: %w", err)
		}
		if e.Subject == "" {
			continue
		}
		err := do(ctx, `INSERT INTO totals VALUES ($1, $2, $3, $4) ON CONFLICT (feed, subject)
			DO UPDATE SET total = totals.total + excluded.total, trail = totals.trail || excluded.trail`,
			e.Feed, e.Subject, n, fmt.Sprintf("%d ", e.Position))
		if err != nil {
			return fmt.Errorf("total: %w", err)
		}
	}
	return nil
}

func numberOf(e *event.Event) (n int) {
	_, _ = fmt.Sscanf(string(e.Data), `{"n":%d}`, &n)
	return n
}

func (l ledger) contents(t *testing.T) []string {
	t.Helper()
	all := l.lines(t, "SELECT feed || ' ' || position || ' ' || n || ' ' || CASE WHEN live THEN 'live' ELSE '' END FROM entries ORDER BY feed, position")
	return append(all, l.lines(t, "SELECT feed || ' ' || subject || ' ' || total || ' ' || trail FROM totals ORDER BY feed, subject")...)
}

func (l ledger) parked(t *testing.T) (all []seed.ParkedEvent) {
	t.Helper()
	for p, err := range seed.Parked(t.Context(), l.target(nil), seed.ParkedFilter{}) {
		must.OK(t, err)
		all = append(all, p)
	}
	return all
}
