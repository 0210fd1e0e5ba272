// Package postgres applies events to PostgreSQL by a projection.
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

// statement is a statement as it is sent.
type statement struct {
	*projection.Statement
	sql   string
	name  string
	types []uint32 // of its parameters
}

// New returns a sink that applies events to PostgreSQL by p. Where a
// schema is named, all of it happens there: it is made if it is missing, and
// is the only one that is searched. If strict is set, an event without a block
// is an error.
func New(p *projection.Projection, schema string, strict bool) *Sink {
	s := &Sink{projection: p, schema: schema, settings: settings(schema, p.Zone())}
	prefix := "eventfeed_" + rand.Text()[:12] // others' connections may lead to the same process
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

// Setup runs the set-up.
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

// makeSchema makes the schema, and sets what the statements run with. It looks
// first, because making it takes a right also where there is nothing to make.
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

// begin sets what the statements run with in a transaction, beside what a target's
// transactions have all.
func (s *Sink) begin(ctx context.Context, tx pgx.Tx) error {
	for _, setting := range s.settings {
		if _, err := tx.Exec(ctx, setting); err != nil {
			return err
		}
	}
	return nil
}

// settings returns the statements that set the search path and the time zone,
// where they are the file's own.
func settings(schema, zone string) (all []string) {
	if schema != "" {
		all = append(all, "SET LOCAL search_path TO "+pgx.Identifier{schema}.Sanitize())
	}
	if zone != "" {
		all = append(all, "SET LOCAL TimeZone TO '"+strings.ReplaceAll(zone, "'", "''")+"'")
	}
	return all
}

// Prepare prepares every statement once, to see that it can be. What Apply uses
// it prepares itself: behind a pooler the next transaction may be on another of
// PostgreSQL's processes, and for a page of events that costs nothing to speak of.
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

// failed is what went wrong with a statement, with all that PostgreSQL says
// about it.
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

// eventError is an error of applying an event. What exceeds a limit of
// PostgreSQL's, such as the depth of JSON, is the event's own.
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

// codesThere are PostgreSQL's for a table, a schema, a function, and all else,
// of a name that is taken.
var codesThere = []string{"42P07", "42P06", "42723", "42710"}

// setupError marks an error of the set-up that is projection.ErrExists.
func setupError(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && slices.Contains(codesThere, pg.Code) {
		return projection.Exists(err)
	}
	return err
}
