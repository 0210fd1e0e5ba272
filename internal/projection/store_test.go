package projection_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/internal/projection/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// store is a database with a projection.
type store struct {
	t       testing.TB
	name    string
	setup   func() error
	prepare func() error
	apply   func(...event.Delivered) (checkpoint.Outcome, error)
	// rows returns what a query gives, a line each, columns as text.
	rows func(query string) string
}

// options of a projection that is tested.
type options struct {
	schema string
	strict bool
}

// targets returns the projection on each kind of database.
func targets(t testing.TB, text string, o options) []*store {
	t.Helper()
	p, err := projection.Parse("test.sql", []byte(text))
	must.OK(t, err)
	all := []*store{onPostgres(t, p, testdb.Postgres(t), o)}
	if o.schema == "" {
		all = append(all, onSQLite(t, p, o))
	}
	return all
}

// set is the targets with the set-up done.
func set(t testing.TB, text string, o options) []*store {
	t.Helper()
	all := targets(t, text, o)
	for _, target := range all {
		must.OK(t, target.setup())
		must.OK(t, target.prepare())
	}
	return all
}

func onPostgres(t testing.TB, p *projection.Projection, url string, o options) *store {
	t.Helper()
	pool, err := postgresdb.Open(t.Context(), url, 2)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	must.OK(t, err)
	t.Cleanup(conn.Release)
	return postgresOn(t, p, conn, o)
}

func postgresOn(t testing.TB, p *projection.Projection, conn *pgxpool.Conn, o options) *store {
	s := postgres.New(p, o.schema, o.strict)
	inTx := func(do func(pgx.Tx) error) error { return pgx.BeginFunc(t.Context(), conn, do) }
	return &store{
		t: t, name: "PostgreSQL",
		setup:   func() error { return inTx(func(tx pgx.Tx) error { return s.Setup(t.Context(), tx) }) },
		prepare: func() error { return inTx(func(tx pgx.Tx) error { return s.Prepare(t.Context(), tx) }) },
		apply: func(events ...event.Delivered) (outcome checkpoint.Outcome, err error) {
			err = inTx(func(tx pgx.Tx) (err error) {
				outcome, err = s.Apply(t.Context(), tx, checkpoint.Batch{Events: events})
				return err
			})
			return outcome, err
		},
		rows: func(query string) string {
			rows, err := conn.Query(t.Context(), query, pgx.QueryExecModeSimpleProtocol)
			must.OK(t, err)
			lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
				var cells []string
				for _, cell := range row.RawValues() {
					if cell == nil {
						cells = append(cells, "NULL")
					} else {
						cells = append(cells, string(cell))
					}
				}
				return strings.Join(cells, "|"), nil
			})
			must.OK(t, err)
			return strings.Join(lines, "\n")
		},
	}
}

func onSQLite(t testing.TB, p *projection.Projection, o options) *store {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must.OK(t, err)
	t.Cleanup(func() { must.OK(t, db.Close()) })
	s := sqlite.New(p, o.strict)
	inTx := func(do func(*sql.Tx) error) error {
		tx, err := db.BeginTx(t.Context(), nil)
		must.OK(t, err)
		if err := do(tx); err != nil {
			must.OK(t, tx.Rollback())
			return err
		}
		return tx.Commit()
	}
	return &store{
		t: t, name: "SQLite",
		setup:   func() error { return inTx(func(tx *sql.Tx) error { return s.Setup(t.Context(), tx) }) },
		prepare: func() error { return inTx(func(tx *sql.Tx) error { return s.Prepare(t.Context(), tx) }) },
		apply: func(events ...event.Delivered) (outcome checkpoint.Outcome, err error) {
			err = inTx(func(tx *sql.Tx) (err error) {
				outcome, err = s.Apply(t.Context(), tx, checkpoint.Batch{Events: events})
				return err
			})
			return outcome, err
		},
		rows: func(query string) string { return strings.Join(sqliteRows(t, db, query), "\n") },
	}
}

func sqliteRows(t testing.TB, db *sql.DB, query string) (lines []string) {
	rows, err := db.QueryContext(t.Context(), query)
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	must.OK(t, err)
	for rows.Next() {
		cells, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		must.OK(t, rows.Scan(pointers...))
		line := make([]string, len(cells))
		for i, cell := range cells {
			if line[i] = cell.String; !cell.Valid {
				line[i] = "NULL"
			}
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	must.OK(t, rows.Err())
	return lines
}

// at returns an event of the feed orders.
func at(position int64, kind, subject, data string) event.Delivered {
	return event.Delivered{Feed: "orders", FeedID: "urn:uuid:1", Placed: event.Placed{Position: position, Event: event.Event{
		ID: fmt.Sprintf("id-%d", position), Source: "/shop", Type: kind, Subject: subject, Data: []byte(data),
		Time: time.Date(2024, 5, 1, 12, 0, int(position), 120_000, time.UTC),
	}}}
}

func live(e event.Delivered) event.Delivered {
	e.Live = true
	return e
}

// same fails if a query does not give the same, want, on all targets.
func same(t *testing.T, all []*store, query, want string) {
	t.Helper()
	for _, target := range all {
		if got := target.rows(query); got != want {
			t.Errorf("%s: %s\n%s\nwant:\n%s", target.name, query, got, want)
		}
	}
}

// isOwn tells an event's own errors as the engine does.
func isOwn(err error) bool {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) && (strings.HasPrefix(pg.SQLState(), "22") || strings.HasPrefix(pg.SQLState(), "23")) {
		return true
	}
	var lite interface{ Code() int }
	return errors.Is(err, checkpoint.ErrOwn) || errors.As(err, &lite) && lite.Code()&0xff == 19
}

func serverVersion(t *testing.T) (n int) {
	conn, err := pgx.Connect(t.Context(), need.Postgres(t))
	must.OK(t, err)
	must.OK(t, conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&n))
	must.OK(t, conn.Close(context.Background()))
	return n
}
