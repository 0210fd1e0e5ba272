//go:build unix

package entities_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tables are the service's own: a counter of each entity's events, and the ids of all.
const tables = `
	CREATE TABLE counters (entity text PRIMARY KEY, n bigint NOT NULL);
	CREATE TABLE done (id text PRIMARY KEY)`

type postgresSession struct {
	job
	conn     *pgx.Conn
	prepared int
	name     string
}

func openPostgres(ctx context.Context, j job, name string) (session, error) {
	config, err := pgx.ParseConfig(j.Database)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = "writer " + j.Name
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &postgresSession{job: j, conn: conn, name: name}, nil
}

func (s *postgresSession) close() { _ = s.conn.Close(context.Background()) }

func (s *postgresSession) transact(ctx context.Context, d *decision, w way, expecting bool) error {
	level := pgx.ReadCommitted
	if w.repeatable {
		level = pgx.RepeatableRead
	}
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if expecting && d.expected == nil {
		for _, subject := range d.subjects {
			var n int64
			if err := tx.QueryRow(ctx, "SELECT n FROM counters WHERE entity = $1", subject).Scan(&n); err != nil {
				d.expected = nil
				return err
			}
			d.expected = append(d.expected, n)
		}
	}
	if w.savepoint {
		if err := s.comeToNothing(ctx, tx, d); err != nil {
			return asked(err)
		}
	}
	if err := s.append(ctx, tx, d); err != nil {
		return asked(err)
	}
	if err := s.count(ctx, tx, d); err != nil {
		return asked(err)
	}
	if w.meanwhile != nil {
		w.meanwhile()
	}
	switch w.end {
	case rollsBack:
		return tx.Rollback(ctx)
	case commits:
		return asked(tx.Commit(ctx))
	default:
		return s.twoPhases(ctx, tx, w.end == commitsPrepared)
	}
}

// asked tells what the database asks to repeat from errors that end a test.
func asked(err error) error {
	refusal, is := errors.AsType[*pgconn.PgError](err)
	switch {
	case !is:
		return err
	case refusal.Code == "40001" && refusal.ConstraintName == "eventfeed_expected_version":
		return fmt.Errorf("%w: %s", errVersion, refusal.Detail)
	case refusal.Code == "40001", refusal.Code == "40P01":
		return fmt.Errorf("%w: %w", errRepeat, err)
	default:
		return err
	}
}

// comeToNothing appends the events under other ids, and takes that back.
func (s *postgresSession) comeToNothing(ctx context.Context, tx pgx.Tx, d *decision) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	other := decision{subjects: d.subjects, each: d.each, expected: d.expected}
	for _, id := range d.ids {
		other.ids = append(other.ids, "nothing-"+id)
	}
	if err := s.append(ctx, inner, &other); err != nil {
		return err
	}
	return inner.Rollback(ctx)
}

func (s *postgresSession) append(ctx context.Context, tx pgx.Tx, d *decision) error {
	var types, subjects []string
	var expected []*int64
	for i := range d.ids {
		types, subjects = append(types, "T"), append(subjects, d.subjects[i/d.each])
		var version *int64
		if d.expected != nil {
			version = &d.expected[i/d.each]
		}
		expected = append(expected, version)
	}
	if len(d.ids) == 1 {
		_, err := tx.Exec(ctx, "SELECT eventfeed.append_bytes($1, 'T', $2, NULL, NULL, id => $3, expected_version => $4)", s.Feed, subjects[0], d.ids[0], expected[0])
		return err
	}
	_, err := tx.Exec(ctx, "SELECT eventfeed.append_many($1, $2, NULL, $3, $4, NULL, NULL, NULL, NULL, NULL, $5)", s.Feed, d.ids, types, subjects, expected)
	return err
}

// count counts the events that are new to the service. Where it expected versions it
// sets what it computed from them, which would lose another's update.
func (s *postgresSession) count(ctx context.Context, tx pgx.Tx, d *decision) error {
	added, err := tx.Exec(ctx, "INSERT INTO done (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", d.ids)
	if err != nil || added.RowsAffected() == 0 {
		return err
	}
	if n := added.RowsAffected(); n != int64(len(d.ids)) {
		return fmt.Errorf("%d of %v were appended before", n, d.ids)
	}
	for i, subject := range d.subjects {
		if d.expected != nil {
			_, err = tx.Exec(ctx, "UPDATE counters SET n = $2 WHERE entity = $1", subject, d.expected[i]+int64(d.each))
		} else {
			_, err = tx.Exec(ctx, "UPDATE counters SET n = n + $2 WHERE entity = $1", subject, d.each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// twoPhases ends a transaction as a transaction manager does.
func (s *postgresSession) twoPhases(ctx context.Context, tx pgx.Tx, commit bool) error {
	s.prepared++
	gid := fmt.Sprintf("%s/%d/%d", s.name, s.conn.PgConn().PID(), s.prepared)
	if _, err := tx.Exec(ctx, "PREPARE TRANSACTION '"+gid+"'"); err != nil {
		return asked(err)
	}
	_ = tx.Rollback(ctx) // to pgx it is open still
	end := "ROLLBACK PREPARED "
	if commit {
		end = "COMMIT PREPARED "
	}
	_, err := s.conn.Exec(ctx, end+"'"+gid+"'")
	return err
}

// endPrepared ends the prepared transactions that a writer left behind, or all those of
// a process, one way or the other.
func endPrepared(ctx context.Context, database, names string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE $1", names)
	if err != nil {
		return err
	}
	gids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for n, gid := range gids {
		if _, err := conn.Exec(ctx, [...]string{"COMMIT", "ROLLBACK"}[n%2]+" PREPARED '"+strings.ReplaceAll(gid, "'", "''")+"'"); err != nil {
			return err
		}
	}
	return nil
}
