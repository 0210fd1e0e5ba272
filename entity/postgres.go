package entity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/db/sqlany"
	"github.com/eventfeed/eventfeed/outbox"
)

// The statements on PostgreSQL. They run with the caller's search_path, so they name
// everything with its schema.
const (
	loadPostgres = `
		SELECT l.is_snapshot, l.version, l.id, l.source, coalesce(l.type, ''), l."time", coalesce(l.datacontenttype, ''),
			coalesce(l.dataschema, ''), l.extensions::pg_catalog.text, l.data, l.digest
		FROM eventfeed.load($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
			$5::pg_catalog.int8, $6::pg_catalog.int8, $7::pg_catalog.timestamptz, $8::pg_catalog.int4) l`
	savePostgres = `
		SELECT eventfeed.save_snapshot($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text,
			$5::pg_catalog.int8, $6::pg_catalog.text, $7::pg_catalog.text, $8::pg_catalog.bytea, $9::pg_catalog.bytea)`
	snapshotsPostgres = `
		SELECT s.subject, s.version FROM eventfeed.snapshots($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text) s`
)

func hurryPostgres() string {
	return fmt.Sprintf("SET LOCAL lock_timeout = '%dms'", snapshotWait.Milliseconds())
}

// arguments are those of loadPostgres.
func (r *request) arguments() []any {
	var asOf *time.Time
	if !r.asOf.IsZero() {
		asOf = &r.asOf
	}
	return []any{r.feed, r.subject, given(r.name), given(r.revision), r.after, r.upTo, asOf, pageSize}
}

func (s *snapshot) arguments() []any {
	return []any{s.feed, s.subject, s.name, s.revision, s.version, s.last.id, s.last.source, s.state, s.digest}
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// scanPostgres scans a row of loadPostgres.
func scanPostgres(scan func(...any) error, r *row) error {
	*r = row{}
	var at *time.Time
	var extensions *string
	var data []byte
	err := scan(&r.isSnapshot, &r.version, &r.event.ID, &r.event.Source, &r.event.Type, &at, &r.event.DataContentType,
		&r.event.DataSchema, &extensions, &data, &r.digest)
	if err != nil {
		return err
	}
	if r.isSnapshot {
		r.state = data
		return nil
	}
	if at != nil {
		r.event.Time = at.UTC()
	}
	if len(data) > 0 {
		r.event.Data = data
	}
	if extensions != nil {
		return json.Unmarshal([]byte(*extensions), &r.event.Extensions)
	}
	return nil
}

// page goes through the rows of one page of load, and moves the request behind them. It
// reports whether there may be more.
func (r *request) page(rows interface {
	Next() bool
	Scan(...any) error
	Err() error
}, yield func(*row) error) (more bool, err error) {
	var next row
	events := 0
	for rows.Next() {
		if err := scanPostgres(rows.Scan, &next); err != nil {
			return false, err
		}
		if !next.isSnapshot {
			events++
		}
		next.event.Subject = r.subject
		r.after = next.version
		if err := yield(&next); err != nil {
			return false, err
		}
	}
	return events == pageSize, rows.Err()
}

// postgresError turns the errors of the functions in the schema eventfeed into those of
// package outbox.
func postgresError(err error) error {
	switch code, _, _ := sqlany.Fields(err); code {
	case "42704": // undefined_object
		return fmt.Errorf("%w (%w)", outbox.ErrNoFeed, err)
	case "55000": // object_not_in_prerequisite_state
		return fmt.Errorf("%w (%w)", outbox.ErrNoEntities, err)
	default:
		return err
	}
}

// pgxLog is PostgreSQL through pgx.
type pgxLog struct{ db PgxQuerier }

func (l pgxLog) load(ctx context.Context, r request, yield func(*row) error) error {
	for more := true; more; {
		var err error
		if more, err = l.page(ctx, &r, yield); err != nil {
			return postgresError(err)
		}
	}
	return nil
}

func (l pgxLog) page(ctx context.Context, r *request, yield func(*row) error) (bool, error) {
	rows, err := l.db.Query(ctx, loadPostgres, r.arguments()...)
	if err != nil {
		return false, err
	}
	defer rows.Close() // also where Apply panics: the connection goes back to its pool
	return r.page(rows, yield)
}

func (l pgxLog) append(ctx context.Context, c call) (outbox.Result, error) {
	tx, is := l.db.(pgx.Tx)
	if !is {
		panic("entity: append outside of a transaction") // only Tx has it
	}
	return outbox.AppendExpecting(ctx, tx, c.feed, c.versions(), c.events...)
}

func (l pgxLog) saveSnapshot(ctx context.Context, s *snapshot) (kept bool, err error) {
	err = l.db.QueryRow(ctx, savePostgres, s.arguments()...).Scan(&kept)
	return kept, postgresError(err)
}

func (l pgxLog) snapshots(ctx context.Context, feed, name, revision, after string) ([]subjectVersion, error) {
	rows, err := l.db.Query(ctx, snapshotsPostgres, feed, name, revision, after)
	if err != nil {
		return nil, postgresError(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s subjectVersion, err error) {
		err = row.Scan(&s.subject, &s.version)
		return s, err
	})
	return all, postgresError(err)
}

func (l pgxLog) hurry(ctx context.Context) error {
	_, err := l.db.Exec(ctx, hurryPostgres())
	return err
}
