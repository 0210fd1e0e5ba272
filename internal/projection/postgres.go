package projection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// Postgres applies events to a PostgreSQL database.
type Postgres struct {
	schema   string
	settings []string // see settings
	strict   bool

	plans[*postgresStatement]
}

// postgresStatement is a statement as it is sent.
type postgresStatement struct {
	*statement
	sql   string
	name  string
	types []uint32 // of its parameters
}

// NewPostgres returns a sink that applies events to PostgreSQL by p. Where a
// schema is named, all of it happens there: it is made if it is missing, and
// is the only one that is searched. If strict is set, an event without a block
// is an error.
func NewPostgres(p *Projection, schema string, strict bool) *Postgres {
	s := &Postgres{schema: schema, settings: settings(schema, p.zone), strict: strict}
	prefix := "eventfeed_" + rand.Text()[:12] // others' connections may lead to the same process
	n := 0
	s.plans = newPlans(p, func(s *statement) *postgresStatement {
		n++
		types := make([]uint32, len(s.distinct))
		for i, parameter := range s.distinct {
			types[i] = parameterTypes[parameter]
		}
		return &postgresStatement{statement: s, sql: s.render("$"), name: fmt.Sprintf("%s_%d", prefix, n), types: types}
	})
	return s
}

// Setup runs the set-up.
func (p *Postgres) Setup(ctx context.Context, tx pgx.Tx) error {
	if err := p.makeSchema(ctx, tx); err != nil {
		return err
	}
	for i := range p.projection.setup {
		s := &p.projection.setup[i]
		sql := s.render("$")
		if _, err := tx.Exec(ctx, sql); err != nil {
			return setupError(s.failed(sql, err))
		}
	}
	return nil
}

// makeSchema makes the schema, and sets what the statements run with. It looks
// first, because making it takes a right also where there is nothing to make.
func (p *Postgres) makeSchema(ctx context.Context, tx pgx.Tx) error {
	if p.schema == "" {
		return p.begin(ctx, tx)
	}
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) $1)", p.schema).Scan(&there)
	if err == nil && !there {
		_, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{p.schema}.Sanitize())
	}
	if err == nil {
		err = p.begin(ctx, tx)
	}
	if err != nil {
		return fmt.Errorf("schema %s: %w", p.schema, err)
	}
	return nil
}

// begin sets what the statements run with in a transaction, beside what a target's
// transactions have all.
func (p *Postgres) begin(ctx context.Context, tx pgx.Tx) error {
	for _, s := range p.settings {
		if _, err := tx.Exec(ctx, s); err != nil {
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
func (p *Postgres) Prepare(ctx context.Context, tx pgx.Tx) error {
	if err := p.begin(ctx, tx); err != nil {
		return err
	}
	for _, s := range p.all {
		if _, err := tx.Conn().PgConn().Prepare(ctx, "", s.sql, s.types); err != nil {
			return s.failed(s.sql, err)
		}
	}
	return nil
}

// failed is what went wrong with a statement, with all that PostgreSQL says
// about it.
func (s *statement) failed(sql string, err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return s.at(sql, 0, err)
	}
	for _, more := range []string{pgErr.Detail, pgErr.Hint} {
		if more != "" {
			err = fmt.Errorf("%w; %s", err, more)
		}
	}
	return s.at(sql, int(pgErr.Position), err)
}

// eventError is an error of applying an event. What exceeds a limit of
// PostgreSQL's, such as the depth of JSON, is the event's own.
func (s *postgresStatement) eventError(e *event.Delivered, err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	err = s.failed(s.sql, err)
	if strings.HasPrefix(pgErr.Code, "54") {
		err = fmt.Errorf("%w: %w", sink.ErrOwn, err)
	}
	return failedEvent(e, err)
}
