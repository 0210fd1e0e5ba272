//go:build unix

package entities_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/outbox"
)

type sqliteSession struct {
	job
	db *sql.DB
}

func openSQLite(ctx context.Context, j job) (session, error) {
	db, err := sqlitedb.OpenWriter(ctx, strings.TrimPrefix(j.Database, sqlitedb.Scheme))
	if err != nil {
		return nil, err
	}
	return &sqliteSession{j, db}, nil
}

func (s *sqliteSession) close() { _ = s.db.Close() }

func (s *sqliteSession) transact(ctx context.Context, d *decision, w way, expecting bool) error {
	if expecting && d.expected == nil { // in a transaction of its own: within this one nobody else writes
		for _, subject := range d.subjects {
			n, err := s.counter(ctx, s.db, subject)
			if err != nil {
				d.expected = nil
				return fmt.Errorf("%w: %w", errRepeat, err)
			}
			d.expected = append(d.expected, n)
		}
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errRepeat, err)
	}
	defer func() { _ = tx.Rollback() }()
	if w.savepoint {
		if err := s.comeToNothing(ctx, tx, d); err != nil {
			return err
		}
	}
	added, err := s.append(ctx, tx, d.ids, d)
	if err != nil {
		return err
	}
	if err := s.count(ctx, tx, d, added); err != nil {
		return err
	}
	if w.meanwhile != nil {
		w.meanwhile()
	}
	if w.end == rollsBack {
		return tx.Rollback()
	}
	return tx.Commit()
}

func (s *sqliteSession) counter(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}, subject string) (n int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT n FROM counters WHERE entity = ?", subject).Scan(&n)
	return n, err
}

func (s *sqliteSession) comeToNothing(ctx context.Context, tx *sql.Tx, d *decision) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT nothing"); err != nil {
		return err
	}
	var ids []string
	for _, id := range d.ids {
		ids = append(ids, "nothing-"+id)
	}
	if _, err := s.append(ctx, tx, ids, d); err != nil && !errors.Is(err, errVersion) {
		return err
	}
	_, err := tx.ExecContext(ctx, "ROLLBACK TO nothing")
	return err
}

// append returns how many events were not there.
func (s *sqliteSession) append(ctx context.Context, tx *sql.Tx, ids []string, d *decision) (int, error) {
	var events []event.Event
	for i, id := range ids {
		events = append(events, event.Event{ID: id, Type: "T", Subject: d.subjects[i/d.each]})
	}
	var expected outbox.Versions
	if d.expected != nil {
		expected = outbox.Versions{}
		for i, subject := range d.subjects {
			expected[subject] = d.expected[i]
		}
	}
	result, err := outbox.AppendSQLExpecting(ctx, tx, s.Feed, expected, events...)
	if errors.Is(err, outbox.ErrVersion) {
		return 0, fmt.Errorf("%w: %w", errVersion, err)
	}
	return result.New, err
}

func (s *sqliteSession) count(ctx context.Context, tx *sql.Tx, d *decision, added int) error {
	if added == 0 {
		return nil
	}
	if added != len(d.ids) {
		return fmt.Errorf("%d of %v were appended before", len(d.ids)-added, d.ids)
	}
	for _, id := range d.ids {
		if _, err := tx.ExecContext(ctx, "INSERT INTO done (id) VALUES (?)", id); err != nil {
			return err
		}
	}
	for i, subject := range d.subjects {
		var err error
		if d.expected != nil {
			_, err = tx.ExecContext(ctx, "UPDATE counters SET n = ? WHERE entity = ?", d.expected[i]+int64(d.each), subject)
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE counters SET n = n + ? WHERE entity = ?", d.each, subject)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
