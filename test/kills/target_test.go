//go:build unix

package kills_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// place is where a checkpoint is.
type place struct {
	position int64
	digest   string
}

// target is a database that a seeder fills. A trigger of its own takes down the
// order in which events are applied.
type target interface {
	url() string
	applied(t *testing.T) []string
	contents(t *testing.T) []string // rows of the inbox
	checkpoints(t *testing.T) map[string]place
	// both gives applied and checkpoints as of one moment: what a killed seeder
	// has sent may still be on its way.
	both(t *testing.T) ([]string, map[string]place)
}

// database is a target, looked into by queries.
type database struct {
	at     string
	db     *sql.DB
	prefix [2]string      // before the names of the inbox and the checkpoints
	moment *sql.TxOptions // of a transaction that sees one moment
}

// querier is the database, or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
}

func openSQLite(t *testing.T) target {
	t.Helper()
	url := testdb.SQLite(t)
	db, err := sqlitedb.OpenWriter(t.Context(), strings.TrimPrefix(url, sqlitedb.Scheme))
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	prepare(t, sqlite.Target{Path: strings.TrimPrefix(url, sqlitedb.Scheme), NewSink: func() sqlite.Sink { return &sqlite.Inbox{} }})
	d := &database{at: url, db: db, prefix: [2]string{"eventfeed_inbox_", "eventfeed_"}}
	d.exec(t, `CREATE TABLE applied (n INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT)`,
		`CREATE TRIGGER applied AFTER INSERT ON eventfeed_inbox_feed_events
		 BEGIN INSERT INTO applied (line) SELECT feed || ' ' || new.position FROM eventfeed_inbox_feeds WHERE number = new.feed_number; END`)
	return d
}

func openPostgres(t *testing.T) target {
	t.Helper()
	url := testdb.Postgres(t)
	pool, err := pgxpool.New(t.Context(), url)
	must.OK(t, err)
	prepare(t, postgres.Target{Pool: pool, NewSink: func() postgres.Sink { return &postgres.Inbox{} }})
	pool.Close()
	db, err := sql.Open("pgx", url)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	d := &database{at: url, db: db, prefix: [2]string{"eventfeed_inbox.", "eventfeed_seed."}, moment: &sql.TxOptions{Isolation: sql.LevelRepeatableRead}}
	d.exec(t, `CREATE TABLE applied (n bigserial, line text)`,
		`CREATE FUNCTION take_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.applied (line) SELECT feed || ' ' || new.position FROM eventfeed_inbox.feeds WHERE number = new.feed_number;
			RETURN NULL; END $$`,
		`CREATE TRIGGER applied AFTER INSERT ON eventfeed_inbox.feed_events FOR EACH ROW EXECUTE FUNCTION take_down()`)
	return d
}

// prepare makes the tables of an inbox.
func prepare(t *testing.T, of checkpoint.Target) {
	t.Helper()
	b := of.Open(false)
	defer b.Close()
	must.OK(t, b.Prepare(t.Context()))
}

func (d *database) url() string { return d.at }

func (d *database) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := d.db.ExecContext(t.Context(), statement)
		must.OK(t, err)
	}
}

func (d *database) applied(t *testing.T) []string {
	t.Helper()
	return lines(t, d.db, appliedInOrder)
}

const appliedInOrder = "SELECT line FROM applied ORDER BY n"

func (d *database) both(t *testing.T) ([]string, map[string]place) {
	t.Helper()
	tx, err := d.db.BeginTx(t.Context(), d.moment)
	must.OK(t, err)
	defer func() { _ = tx.Rollback() }()
	return lines(t, tx, appliedInOrder), d.read(t, tx)
}

func (d *database) contents(t *testing.T) []string {
	t.Helper()
	return lines(t, d.db, "SELECT consumer || ' ' || feed_id || ' ' || position || ' ' || id || ' ' || source || ' ' || type || ' ' || subject || ' ' || time FROM "+
		d.prefix[0]+"events ORDER BY consumer, feed_id, position")
}

func lines(t *testing.T, db querier, query string) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		must.OK(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	must.OK(t, rows.Err())
	return lines
}

func (d *database) checkpoints(t *testing.T) map[string]place {
	t.Helper()
	return d.read(t, d.db)
}

// read returns the checkpoints by the feeds' names; none before there is a table
// of them.
func (d *database) read(t *testing.T, db querier) map[string]place {
	t.Helper()
	found := make(map[string]place)
	rows, err := db.QueryContext(t.Context(), "SELECT feed, position, digest FROM "+d.prefix[1]+"checkpoints")
	if err != nil && (strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "does not exist")) {
		return found
	}
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var feed string
		var p place
		var digest []byte
		must.OK(t, rows.Scan(&feed, &p.position, &digest))
		p.digest = hex.EncodeToString(digest)
		found[feed] = p
	}
	must.OK(t, rows.Err())
	if len(found) != 0 && len(found) != 2 {
		t.Fatal(fmt.Sprint("checkpoints of ", found))
	}
	return found
}
