// Package postgres applies events to PostgreSQL with a projection.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
)

// Sink applies events to a PostgreSQL database.
type Sink struct {
	projection *projection.Projection
	schema     string
	settings   []string // see settings

	projection.Plans[*statement]
}

// statement is a statement in the form in which it is sent.
type statement struct {
	*projection.Statement
	sql   string
	name  string
	types []uint32 // the types of its parameters
}

// New returns a sink that applies events to PostgreSQL with p. If schema is not empty, the sink
// creates the schema if it is missing, and the search_path is only that schema. If strict is set,
// an event without a block is an error.
func New(p *projection.Projection, schema string, strict bool) *Sink {
	s := &Sink{projection: p, schema: schema, settings: settings(schema, p.Zone())}
	prefix := "eventfeed_" + rand.Text()[:12] // behind a pooler, other clients may use the same session
	n := 0
	s.Plans = projection.NewPlans(p, strict, func(s *projection.Statement) *statement {
		n++
		types := make([]uint32, len(s.Distinct))
		for i, parameter := range s.Distinct {
			types[i] = parameterTypes[parameter]
		}
		return &statement{Statement: s, sql: s.Render("$"), name: fmt.Sprintf("%s_%d", prefix, n), types: types}
	})
	return s
}

// Setup runs the setup.
func (s *Sink) Setup(ctx context.Context, tx pgx.Tx) error {
	if err := s.makeSchema(ctx, tx); err != nil {
		return err
	}
	for _, statement := range s.projection.Setup() {
		sql := statement.Render("$")
		if _, err := tx.Exec(ctx, sql); err != nil {
			return setupError(failed(statement, sql, err))
		}
	}
	return nil
}

// makeSchema creates the schema if it is missing, and makes the settings of the statements. It
// looks for the schema first, because CREATE SCHEMA IF NOT EXISTS needs a privilege even if the
// schema exists.
func (s *Sink) makeSchema(ctx context.Context, tx pgx.Tx) error {
	if s.schema == "" {
		return s.begin(ctx, tx)
	}
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) $1)", s.schema).Scan(&there)
	if err == nil && !there {
		_, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{s.schema}.Sanitize())
	}
	if err == nil {
		err = s.begin(ctx, tx)
	}
	if err != nil {
		return fmt.Errorf("schema %s: %w", s.schema, err)
	}
	return nil
}

// begin makes the settings of the statements in a transaction, in addition to those of all
// transactions of a target.
func (s *Sink) begin(ctx context.Context, tx pgx.Tx) error {
	for _, setting := range s.settings {
		if _, err := tx.Exec(ctx, setting); err != nil {
			return err
		}
	}
	return nil
}

// settings returns the statements that set the search_path and the time zone, if the projection
// has its own.
func settings(schema, zone string) (all []string) {
	if schema != "" {
		all = append(all, "SET LOCAL search_path TO "+pgx.Identifier{schema}.Sanitize())
	}
	if zone != "" {
		all = append(all, "SET LOCAL TimeZone TO '"+strings.ReplaceAll(zone, "'", "''")+"'")
	}
	return all
}

// Prepare prepares every statement once, to find errors. Apply prepares statements itself, because
// behind a pooler the next transaction may be in another session; for a page of events the cost is
// small.
func (s *Sink) Prepare(ctx context.Context, tx pgx.Tx) error {
	if err := s.begin(ctx, tx); err != nil {
		return err
	}
	for _, statement := range s.All {
		if _, err := tx.Conn().PgConn().Prepare(ctx, "", statement.sql, statement.types); err != nil {
			return failed(statement.Statement, statement.sql, err)
		}
	}
	return nil
}

// failed returns the error of a statement, with PostgreSQL's DETAIL and HINT.
func failed(s *projection.Statement, sql string, err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return s.At(sql, 0, err)
	}
	for _, more := range []string{pgErr.Detail, pgErr.Hint} {
		if more != "" {
			err = fmt.Errorf("%w; %s", err, more)
		}
	}
	return s.At(sql, int(pgErr.Position), err)
}

// eventError returns the error of applying an event. If the event exceeds a limit of PostgreSQL,
// such as the depth of JSON, the error matches checkpoint.ErrOwn.
func (s *statement) eventError(e *event.Delivered, err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	err = failed(s.Statement, s.sql, err)
	if strings.HasPrefix(pgErr.Code, "54") {
		err = fmt.Errorf("%w: %w", checkpoint.ErrOwn, err)
	}
	return projection.FailedEvent(e, err)
}

// codesThere are the SQLSTATEs for a table, a schema, a function and another object that exists
// already.
var codesThere = []string{"42P07", "42P06", "42723", "42710"}

// setupError marks an error of the setup that is a projection.ErrExists.
func setupError(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && slices.Contains(codesThere, pg.Code) {
		return projection.Exists(err)
	}
	return err
}
