package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// A trigger writes the row in eventfeed_pending in the same statement.
const insertSQLite = `
	INSERT INTO eventfeed_events (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (feed, source, id) DO NOTHING`

// appendSQLite appends in a transaction that holds the write lock, so nothing changes
// between what it reads and what it writes.
func appendSQLite(ctx context.Context, tx *sql.Tx, feed string, events []event.Event, expected Versions) (int, error) {
	key, before, err := lookUpSQLite(ctx, tx, feed, expected)
	if err != nil {
		return 0, err
	}
	insert, err := tx.PrepareContext(ctx, insertSQLite)
	if err != nil {
		return 0, err
	}
	defer func() { _ = insert.Close() }()
	var conflict error
	added, now := 0, time.Now().UTC().Truncate(time.Microsecond)
	for i := range events {
		e := &events[i]
		if e.Source == "" {
			e.Source = "/" + feed
		}
		at := e.Time
		if at.IsZero() {
			at = now
		}
		result, err := insert.ExecContext(ctx, key, e.ID, e.Source, e.Type, null(e.Subject), cloudevents.FormatTime(at),
			null(e.DataContentType), null(e.DataSchema), nullExtensions(e.Extensions), e.Data)
		if err != nil {
			return 0, fmt.Errorf("event %q: %w", e.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		if n == 0 {
			if err := compareSQLite(ctx, tx, key, e); err != nil {
				return 0, err
			}
		}
		added += int(n)
		if version := expected.of(e.Subject); n > 0 && version != nil && *version != before[e.Subject] && conflict == nil {
			conflict = &VersionError{e.Subject, *version, before[e.Subject],
				fmt.Errorf("%w: %q is at version %d, not at version %d", ErrVersion, e.Subject, before[e.Subject], *version)}
		}
	}
	return added, conflict // an id that is in use counts before it
}

// lookUpSQLite returns the key of a feed, and the versions of the entities of which one
// is expected.
func lookUpSQLite(ctx context.Context, tx *sql.Tx, feed string, expected Versions) (key int64, before Versions, err error) {
	var entities bool
	err = tx.QueryRowContext(ctx, `
		SELECT f.feed, n.entities FROM eventfeed_feeds f JOIN eventfeed_entity_feeds n ON n.feed = f.feed WHERE f.name = ?`, feed).Scan(&key, &entities)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("feed %q: %w", feed, ErrNoFeed)
	}
	if err == nil && len(expected) > 0 && !entities {
		err = fmt.Errorf("feed %q: %w", feed, ErrNoEntities)
	}
	if err != nil {
		return 0, nil, err
	}
	before = make(Versions, len(expected))
	for subject := range expected {
		var version int64
		err := tx.QueryRowContext(ctx, `SELECT n.version FROM eventfeed_entities n WHERE n.feed = ? AND n.subject = ?`, key, subject).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, nil, err
		}
		before[subject] = version
	}
	return key, before, nil
}

// compareSQLite compares an event with the one that is there already, as
// eventfeed.repeats does on PostgreSQL.
func compareSQLite(ctx context.Context, tx *sql.Tx, key int64, e *event.Event) error {
	var at any
	if !e.Time.IsZero() {
		at = cloudevents.FormatTime(e.Time)
	}
	var repeated bool
	err := tx.QueryRowContext(ctx, `
		SELECT type = ?4 AND subject IS ?5 AND time = coalesce(?6, time) AND datacontenttype IS ?7
			AND dataschema IS ?8 AND data IS ?10
			AND coalesce(json_remove(extensions, '$.authtype', '$.authid', '$.authclaims'), '{}') = coalesce(json_remove(?9, '$.authtype', '$.authid', '$.authclaims'), '{}')
		FROM eventfeed_events WHERE feed = ?1 AND source = ?2 AND id = ?3`,
		key, e.Source, e.ID, e.Type, null(e.Subject), at, null(e.DataContentType), null(e.DataSchema), nullExtensions(e.Extensions), e.Data).Scan(&repeated)
	if err != nil {
		return fmt.Errorf("event %q: %w", e.ID, err)
	}
	if !repeated {
		return &ConflictError{e.Source, e.ID, fmt.Errorf("%w: event %q of source %q", ErrConflict, e.ID, e.Source)}
	}
	return nil
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nullExtensions(extensions map[string]string) any {
	if len(extensions) == 0 {
		return nil
	}
	return extensionText(extensions)
}
