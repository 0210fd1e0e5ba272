package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
)

// RecordedAt reads by the index of positions.
func (q queries) RecordedAt(ctx context.Context, key, position int64) (recorded time.Time, err error) {
	err = q.db.QueryRowContext(ctx, "SELECT p.recorded FROM eventfeed_positions p WHERE p.feed = ? AND p.position = ?", key, position).Scan(sqlitedb.Time(&recorded))
	if err != nil {
		return recorded, fmt.Errorf("recorded time of position %d: %w", position, err)
	}
	return recorded, nil
}

// ClosedPage reads by the index of page numbers.
func (q queries) ClosedPage(ctx context.Context, key, number int64) (p store.Page, err error) {
	err = q.db.QueryRowContext(ctx, "SELECT page, first_position, last_position FROM eventfeed_pages WHERE feed = ? AND page = ?", key, number).
		Scan(&p.Number, &p.First, &p.Last)
	if err != nil {
		return p, fmt.Errorf("page %d: %w", number, noRows(err, store.ErrNoPage))
	}
	return p, nil
}

// listedColumns are the columns of a ListedEvent.
var listedColumns = `p.position, p.recorded, e.id, e.source, e.type, coalesce(e.subject, ''), e.time, coalesce(e.datacontenttype, ''),
	substr(CAST(e.data AS BLOB), 1, ` + strconv.Itoa(store.ListedData) + `), coalesce(length(CAST(e.data AS BLOB)), 0)`

// List goes back through the index of positions. CROSS JOIN keeps SQLite from joining in another order.
func (q queries) List(ctx context.Context, key, first, last int64, match store.Filter, limit int, yield func(*store.ListedEvent) error) error {
	return q.list(ctx, yield, `
		SELECT `+listedColumns+`
		FROM eventfeed_positions p CROSS JOIN eventfeed_events e
		WHERE p.feed = ?1 AND p.position BETWEEN max(?2, ?3 - ?7 + 1) AND ?3 AND e.insert_no = p.insert_no
		  AND (?4 = '' OR e.type = ?4) AND (?5 = '' OR e.subject = ?5)
		ORDER BY p.position DESC LIMIT ?6`, key, first, last, match.Type, match.Subject, limit, store.MaxSearched)
}

// ListVersions goes back through the index of versions.
func (q queries) ListVersions(ctx context.Context, key, first, last int64, match store.Filter, limit int, yield func(*store.ListedEvent) error) error {
	return q.list(ctx, yield, `
		SELECT `+listedColumns+`
		FROM eventfeed_entity_events n CROSS JOIN eventfeed_positions p CROSS JOIN eventfeed_events e
		WHERE n.feed = ?1 AND n.subject = ?5 AND n.version BETWEEN max(?2, ?3 - ?7 + 1) AND ?3
		  AND p.insert_no = n.insert_no AND e.insert_no = n.insert_no AND (?4 = '' OR e.type = ?4)
		ORDER BY n.version DESC LIMIT ?6`, key, first, last, match.Type, match.Subject, limit, store.MaxSearched)
}

func (q queries) list(ctx context.Context, yield func(*store.ListedEvent) error, query string, arguments ...any) error {
	scan := func(row sqlitedb.Row) (*store.ListedEvent, error) {
		e := new(store.ListedEvent)
		return e, row.Scan(&e.Position, sqlitedb.Time(&e.Recorded), &e.ID, &e.Source, &e.Type, &e.Subject, sqlitedb.Time(&e.Time), &e.DataContentType, &e.Data, &e.Size)
	}
	for e, err := range sqlitedb.Rows(ctx, q.db, scan, query, arguments...) {
		if err != nil {
			return err
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

// EntityVersion reads the entity's row.
func (q queries) EntityVersion(ctx context.Context, key int64, subject string) (version int64, err error) {
	err = q.db.QueryRowContext(ctx, "SELECT n.version FROM eventfeed_entities n WHERE n.feed = ? AND n.subject = ?", key, subject).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// VersionPosition reads by the indexes of versions and of insertion numbers.
func (q queries) VersionPosition(ctx context.Context, key int64, subject string, version int64) (position int64, err error) {
	err = q.db.QueryRowContext(ctx, `
		SELECT coalesce((SELECT p.position FROM eventfeed_positions p WHERE p.insert_no = (
			SELECT n.insert_no FROM eventfeed_entity_events n WHERE n.feed = ? AND n.subject = ? AND n.version = ?)), 0)`,
		key, subject, version).Scan(&position)
	return position, err
}
