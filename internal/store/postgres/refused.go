package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

var _ store.Refusals = (*Log)(nil)

// refusedColumns are the columns of a refused row, without its data. A time that Go cannot represent
// is omitted; the reason names it.
const refusedColumns = `r.number, r.refused, r.reason, coalesce(r.id, ''), coalesce(r.source, ''), coalesce(r.type, ''), coalesce(r.subject, ''),
	CASE WHEN isfinite(r.time) THEN r.time END, coalesce(r.datacontenttype, ''), coalesce(r.dataschema, ''),
	CASE WHEN jsonb_typeof(r.extensions) = 'object' THEN r.extensions END, coalesce(octet_length(r.data), 0)`

// Refused lists a feed's refused rows.
func (l *Log) Refused(ctx context.Context, key int64, yield func(*store.RefusedRow) error) error {
	rows, err := l.db.Query(ctx, `SELECT `+refusedColumns+`, NULL::bytea FROM eventfeed.refused r WHERE r.feed = $1 ORDER BY r.number`, key)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRefused(rows)
		if err == nil {
			err = yield(&r)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// RefusedRow reads a refused row with its data.
func (l *Log) RefusedRow(ctx context.Context, key, number int64) (store.RefusedRow, error) {
	r, err := scanRefused(l.db.QueryRow(ctx, `SELECT `+refusedColumns+`, r.data FROM eventfeed.refused r WHERE r.feed = $1 AND r.number = $2`, key, number))
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fmt.Errorf("%w: %d", store.ErrNotRefused, number)
	}
	return r, err
}

func scanRefused(row pgx.Row) (r store.RefusedRow, err error) {
	var at *time.Time
	var extensions map[string]json.RawMessage
	e := &r.Event
	err = row.Scan(&r.Number, &r.Refused, &r.Reason, &e.ID, &e.Source, &e.Type, &e.Subject, &at, &e.DataContentType, &e.DataSchema, &extensions, &r.Bytes, &e.Data)
	if at != nil {
		e.Time = *at
	}
	for name, value := range extensions {
		if e.Extensions == nil {
			e.Extensions = make(map[string]string)
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		e.Extensions[name] = text
	}
	return r, err
}

// Discard deletes a refused row, and appends the repaired event, if there is one.
func (l *Log) Discard(ctx context.Context, f *store.Feed, number int64, repaired *event.Event) error {
	return l.writing(postgresdb.DoWatched(ctx, l.pool, func(tx pgx.Tx) error {
		gone, err := tx.Exec(ctx, "DELETE FROM eventfeed.refused WHERE feed = $1 AND number = $2", f.Key, number)
		if err != nil {
			return err
		}
		if gone.RowsAffected() == 0 {
			return fmt.Errorf("%w: %d", store.ErrNotRefused, number)
		}
		if repaired != nil {
			_, err = outbox.Append(ctx, tx, f.Name, *repaired)
		}
		return err
	}))
}
