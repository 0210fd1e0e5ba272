package projection

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// SQLite applies events to an SQLite database.
type SQLite struct {
	strict bool
	plans[*sqliteStatement]
}

// sqliteStatement is a statement as SQLite takes it.
type sqliteStatement struct {
	*statement
	sql      string
	usesJSON bool
	prepared *sql.Stmt // in the transaction at hand
}

// NewSQLite returns a sink that applies events to SQLite by p. If strict is
// set, an event without a block is an error.
func NewSQLite(p *Projection, strict bool) *SQLite {
	s := &SQLite{strict: strict}
	s.plans = newPlans(p, func(s *statement) *sqliteStatement {
		return &sqliteStatement{statement: s, sql: s.render("?"), usesJSON: s.uses(dataParameter)}
	})
	return s
}

// Setup runs the set-up.
func (p *SQLite) Setup(ctx context.Context, tx *sql.Tx) error {
	for i := range p.projection.setup {
		s := &p.projection.setup[i]
		if err := s.checkPlaceholder(); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.render("?")); err != nil {
			return setupError(s.at("", 0, err))
		}
	}
	return nil
}

// checkPlaceholder refuses parameters of SQLite's own: they would be NULL.
func (s *statement) checkPlaceholder() error {
	if s.placeholder == "" {
		return nil
	}
	return s.at("", 0, fmt.Errorf("%s: parameters are named: %s", s.placeholder, knownParameters()))
}

// Prepare prepares every statement once.
func (p *SQLite) Prepare(ctx context.Context, tx *sql.Tx) error {
	defer p.close()
	for _, s := range p.all {
		if err := s.prepare(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqliteStatement) prepare(ctx context.Context, tx *sql.Tx) (err error) {
	if err := s.checkPlaceholder(); err != nil {
		return err
	}
	if s.prepared, err = tx.PrepareContext(ctx, s.sql); err != nil {
		return s.at("", 0, err)
	}
	return nil
}

// close closes what was prepared. A transaction would do so with its end.
func (p *SQLite) close() {
	for _, s := range p.all {
		if s.prepared != nil {
			_ = s.prepared.Close()
			s.prepared = nil
		}
	}
}

// Apply runs the statements of a batch's events in order.
func (p *SQLite) Apply(ctx context.Context, tx *sql.Tx, b sink.Batch) (outcome sink.Outcome, err error) {
	defer p.close()
	arguments := make([]any, 0, parameterCount)
	for i := range b.Events {
		e := &b.Events[i]
		if err := ctx.Err(); err != nil {
			return outcome, err
		}
		plan := p.of(e)
		if !plan.known {
			if err := count(&outcome, p.projection, p.strict, e); err != nil {
				return outcome, err
			}
		}
		for _, s := range plan.statements {
			if s.prepared == nil {
				if err := s.prepare(ctx, tx); err != nil {
					return outcome, err
				}
			}
			if err := s.run(ctx, arguments, e); err != nil {
				return outcome, err
			}
		}
	}
	return outcome, nil
}

// run runs the statement for an event. To watch for the end of a context costs
// more than most statements, so that is asked between them.
func (s *sqliteStatement) run(ctx context.Context, arguments []any, e *event.Delivered) error {
	if s.usesJSON && len(e.Data) > 0 {
		if err := checkJSON(e.Data); err != nil {
			return failedEvent(e, s.at("", 0, fmt.Errorf("%w: :data: %w", sink.ErrOwn, err)))
		}
	}
	for _, p := range s.distinct {
		arguments = append(arguments, argument(p, e))
	}
	if _, err := s.prepared.ExecContext(context.WithoutCancel(ctx), arguments...); err != nil {
		return failedEvent(e, s.at("", 0, err))
	}
	return nil
}

// argument is the value of one of the event's attributes, nil if it has none.
func argument(p parameter, e *event.Delivered) any {
	switch p {
	case positionParameter:
		return e.Position
	case timeParameter:
		if e.Time.IsZero() {
			return nil
		}
		return event.FormatTime(e.Time)
	case dataParameter:
		return orNull(string(e.Data))
	case dataBytesParameter:
		if len(e.Data) == 0 {
			return nil
		}
		return e.Data
	case liveParameter:
		return e.Live
	default:
		return orNull(attribute(p, e))
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
