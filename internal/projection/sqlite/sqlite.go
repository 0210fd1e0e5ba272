// Package sqlite applies events to SQLite with a projection.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
)

// Sink applies events to an SQLite database.
type Sink struct {
	projection *projection.Projection
	projection.Plans[*statement]
}

// statement is a statement in the form for SQLite.
type statement struct {
	*projection.Statement
	sql      string
	usesJSON bool
	prepared *sql.Stmt // in the current transaction
}

// New returns a sink that applies events to SQLite with p. If strict is set, an event without a
// block is an error.
func New(p *projection.Projection, strict bool) *Sink {
	s := &Sink{projection: p}
	s.Plans = projection.NewPlans(p, strict, func(s *projection.Statement) *statement {
		return &statement{Statement: s, sql: s.Render("?"), usesJSON: s.Uses(projection.DataParameter)}
	})
	return s
}

// Setup runs the setup.
func (s *Sink) Setup(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range s.projection.Setup() {
		if err := checkPlaceholder(statement); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, statement.Render("?")); err != nil {
			return setupError(statement.At("", 0, err))
		}
	}
	return nil
}

// checkPlaceholder refuses SQLite's own placeholders, which would be NULL.
func checkPlaceholder(s *projection.Statement) error {
	if s.Placeholder == "" {
		return nil
	}
	return s.At("", 0, fmt.Errorf("%s: parameters are named: %s", s.Placeholder, projection.KnownParameters()))
}

// Prepare prepares every statement once.
func (s *Sink) Prepare(ctx context.Context, tx *sql.Tx) error {
	defer s.close()
	for _, statement := range s.All {
		if err := statement.prepare(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (s *statement) prepare(ctx context.Context, tx *sql.Tx) (err error) {
	if err := checkPlaceholder(s.Statement); err != nil {
		return err
	}
	if s.prepared, err = tx.PrepareContext(ctx, s.sql); err != nil {
		return s.At("", 0, err)
	}
	return nil
}

// close closes the prepared statements before the transaction ends.
func (s *Sink) close() {
	for _, statement := range s.All {
		if statement.prepared != nil {
			_ = statement.prepared.Close()
			statement.prepared = nil
		}
	}
}

// Apply runs the statements of a batch's events in order.
func (s *Sink) Apply(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) (outcome checkpoint.Outcome, err error) {
	defer s.close()
	arguments := make([]any, 0, projection.ParameterCount)
	for i := range b.Events {
		e := &b.Events[i]
		if err := ctx.Err(); err != nil {
			return outcome, err
		}
		statements, err := s.Of(e, &outcome)
		if err != nil {
			return outcome, err
		}
		for _, statement := range statements {
			if statement.prepared == nil {
				if err := statement.prepare(ctx, tx); err != nil {
					return outcome, err
				}
			}
			if err := statement.run(ctx, arguments, e); err != nil {
				return outcome, err
			}
		}
	}
	return outcome, nil
}

// run runs the statement for an event. It ignores the context's end, because watching it costs more
// than most statements; Apply checks it between events.
func (s *statement) run(ctx context.Context, arguments []any, e *event.Delivered) error {
	if s.usesJSON && len(e.Data) > 0 {
		if err := projection.CheckJSON(e.Data); err != nil {
			return projection.FailedEvent(e, s.At("", 0, fmt.Errorf("%w: :data: %w", checkpoint.ErrOwn, err)))
		}
	}
	for _, p := range s.Distinct {
		arguments = append(arguments, argument(p, e))
	}
	if _, err := s.prepared.ExecContext(context.WithoutCancel(ctx), arguments...); err != nil {
		return projection.FailedEvent(e, s.At("", 0, err))
	}
	return nil
}

// argument returns the value of one of the event's attributes; nil if the event lacks it.
func argument(p projection.Parameter, e *event.Delivered) any {
	switch p {
	case projection.PositionParameter:
		return e.Position
	case projection.TimeParameter:
		return sqlitedb.NullTime(e.Time)
	case projection.DataParameter:
		return orNull(string(e.Data))
	case projection.DataBytesParameter:
		if len(e.Data) == 0 {
			return nil
		}
		return e.Data
	case projection.LiveParameter:
		return e.Live
	default:
		return orNull(projection.Attribute(p, e))
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// setupError marks an error of the setup that is a projection.ErrExists. SQLite has no code for it,
// so it looks at the text.
func setupError(err error) error {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok && strings.Contains(lite.Error(), "already exists") {
		return projection.Exists(err)
	}
	return err
}
