package entity

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/internal/db/sqlany"
	"github.com/eventfeed/eventfeed/outbox"
)

// sqlLog is PostgreSQL or SQLite through database/sql, which does not say which one it
// is. Each statement goes to PostgreSQL first: SQLite refuses it when it parses it, and
// the transaction stays as it was.
type sqlLog struct{ db SQLQuerier }

// sqlite returns the database as SQLite, if that is what refused a statement.
func (l sqlLog) sqlite(ctx context.Context, refusal error) (sqliteLog, bool) {
	return sqliteLog(l), refusal != nil && sqlany.IsSQLite(ctx, l.db)
}

func (l sqlLog) load(ctx context.Context, r request, yield func(*row) error) error {
	for more := true; more; {
		var err, refused error // refused is the caller's, which is no question of which database it is
		more, err = l.page(ctx, &r, func(next *row) error {
			refused = yield(next)
			return refused
		})
		if refused != nil {
			return refused
		}
		if s, is := l.sqlite(ctx, err); is {
			return s.load(ctx, r, yield)
		}
		if err != nil {
			return postgresError(err)
		}
	}
	return nil
}

func (l sqlLog) page(ctx context.Context, r *request, yield func(*row) error) (bool, error) {
	rows, err := l.db.QueryContext(ctx, loadPostgres, r.arguments()...)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }() // page has the error
	more, err := r.page(rows, yield)
	if err == nil {
		err = rows.Err()
	}
	return more, err
}

func (l sqlLog) append(ctx context.Context, c call) (outbox.Result, error) {
	tx, is := l.db.(*sql.Tx)
	if !is {
		panic("entity: append outside of a transaction") // only Tx has it
	}
	return outbox.AppendSQLExpecting(ctx, tx, c.feed, c.versions(), c.events...)
}

func (l sqlLog) saveSnapshot(ctx context.Context, s *snapshot) (kept bool, err error) {
	err = l.db.QueryRowContext(ctx, savePostgres, s.arguments()...).Scan(&kept)
	if lite, is := l.sqlite(ctx, err); is {
		return lite.saveSnapshot(ctx, s)
	}
	return kept, postgresError(err)
}

func (l sqlLog) snapshots(ctx context.Context, feed, name, revision, after string) ([]subjectVersion, error) {
	rows, err := l.db.QueryContext(ctx, snapshotsPostgres, feed, name, revision, after)
	if s, is := l.sqlite(ctx, err); is {
		return s.snapshots(ctx, feed, name, revision, after)
	}
	if err != nil {
		return nil, postgresError(err)
	}
	return scanSubjects(rows)
}

func (l sqlLog) hurry(ctx context.Context) error {
	_, err := l.db.ExecContext(ctx, hurryPostgres())
	if _, is := l.sqlite(ctx, err); is {
		return nil // it has its one lock already, or its own patience
	}
	return err
}

func scanSubjects(rows *sql.Rows) (all []subjectVersion, err error) {
	defer func() { _ = rows.Close() }() // Err has the error
	for rows.Next() {
		var s subjectVersion
		if err := rows.Scan(&s.subject, &s.version); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
