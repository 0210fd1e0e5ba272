package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
)

// RecordedAt reads by the index of positions.
func (q queries) RecordedAt(ctx context.Context, key, position int64) (recorded time.Time, err error) {
	err = q.db.QueryRow(ctx, "SELECT p.recorded FROM eventfeed.positions p WHERE p.feed = $1 AND p.position = $2", key, position).Scan(&recorded)
	if err != nil {
		return recorded, fmt.Errorf("recorded time of position %d: %w", position, err)
	}
	return recorded.UTC(), nil
}

// ClosedPage reads by the index of page numbers.
func (q queries) ClosedPage(ctx context.Context, key, number int64) (p store.Page, err error) {
	err = q.db.QueryRow(ctx, "SELECT page, first_position, last_position FROM eventfeed.pages WHERE feed = $1 AND page = $2", key, number).
		Scan(&p.Number, &p.First, &p.Last)
	if err != nil {
		return p, fmt.Errorf("page %d: %w", number, noRows(err, store.ErrNoPage))
	}
	return p, nil
}

// listed selects the columns of a ListedEvent, for at most one row of events, which the index on
// insert_no finds: OFFSET 0 keeps the planner from joining in another way, as with a scan of the table.
var listed = `
	CROSS JOIN LATERAL (
		SELECT e.id, e.source, e.type, coalesce(e.subject, '') AS subject, e.time, coalesce(e.datacontenttype, '') AS datacontenttype,
		       substring(e.data, 1, ` + strconv.Itoa(store.ListedData) + `) AS data, coalesce(octet_length(e.data), 0) AS size
		FROM eventfeed.events e
		WHERE e.insert_no = p.insert_no AND ($4 = '' OR e.type = $4) AND ($5 = '' OR e.subject = $5) OFFSET 0) e`

// List goes back through the index of positions.
func (q queries) List(ctx context.Context, key, first, last int64, match store.Filter, limit int, yield func(*store.ListedEvent) error) error {
	return q.list(ctx, yield, `
		SELECT p.position, p.recorded, e.*
		FROM (SELECT p.position, p.recorded, p.insert_no FROM eventfeed.positions p
		      WHERE p.feed = $1 AND p.position BETWEEN $2 AND $3 ORDER BY p.position DESC LIMIT $7) p`+listed+`
		ORDER BY p.position DESC LIMIT $6`, key, first, last, match.Type, match.Subject, limit, store.MaxSearched)
}

// ListVersions goes back through the index of versions.
func (q queries) ListVersions(ctx context.Context, key, first, last int64, match store.Filter, limit int, yield func(*store.ListedEvent) error) error {
	return q.list(ctx, yield, `
		SELECT p.position, p.recorded, e.*
		FROM (SELECT n.version, n.insert_no FROM eventfeed.entity_events n
		      WHERE n.feed = $1 AND n.subject = $5 AND n.version BETWEEN $2 AND $3 ORDER BY n.version DESC LIMIT $7) n
		CROSS JOIN LATERAL (SELECT p.position, p.recorded, p.insert_no FROM eventfeed.positions p WHERE p.insert_no = n.insert_no OFFSET 0) p`+listed+`
		ORDER BY n.version DESC LIMIT $6`, key, first, last, match.Type, match.Subject, limit, store.MaxSearched)
}

func (q queries) list(ctx context.Context, yield func(*store.ListedEvent) error, query string, arguments ...any) error {
	rows, err := q.db.Query(ctx, query, arguments...)
	if err != nil {
		return err
	}
	var e store.ListedEvent
	targets := []any{&e.Position, &e.Recorded, &e.ID, &e.Source, &e.Type, &e.Subject, &e.Time, &e.DataContentType, &e.Data, &e.Size}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		e.Recorded, e.Time = e.Recorded.UTC(), e.Time.UTC()
		row := e
		return yield(&row)
	})
	return err
}

// EntityVersion reads the entity's row.
func (q queries) EntityVersion(ctx context.Context, key int64, subject string) (version int64, err error) {
	err = q.db.QueryRow(ctx, "SELECT n.version FROM eventfeed.entities n WHERE n.feed = $1 AND n.subject = $2", key, subject).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// VersionPosition reads by the indexes of versions and of insertion numbers.
func (q queries) VersionPosition(ctx context.Context, key int64, subject string, version int64) (position int64, err error) {
	err = q.db.QueryRow(ctx, `
		SELECT coalesce((SELECT p.position FROM eventfeed.positions p WHERE p.insert_no = (
			SELECT n.insert_no FROM eventfeed.entity_events n WHERE n.feed = $1 AND n.subject = $2 AND n.version = $3)), 0)`,
		key, subject, version).Scan(&position)
	return position, err
}
