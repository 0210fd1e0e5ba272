package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/db/sqlany"
)

// PgxQuerier is a *pgxpool.Pool, *pgx.Conn or pgx.Tx.
type PgxQuerier interface {
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

// SQLQuerier is a *sql.DB, *sql.Conn or *sql.Tx.
type SQLQuerier interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

// Position returns the position of an event in a feed on PostgreSQL, or 0 while it has
// none: a running server gives it one within a fraction of a second after the commit.
// An empty source is the feed's own, as in [Append]. The role needs
// eventfeed_entities.
//
// The error is [ErrNoEvent], also if the feed does not exist, or the database's own.
func Position(ctx context.Context, db PgxQuerier, feed, source, id string) (int64, error) {
	var position *int64
	err := db.QueryRow(ctx, `SELECT eventfeed.position($1, $2, $3)`, feed, source, id).Scan(&position)
	return orZero(position), postgresError(err)
}

// PositionSQL is [Position] for database/sql, on PostgreSQL or on SQLite, with any driver.
func PositionSQL(ctx context.Context, db SQLQuerier, feed, source, id string) (int64, error) {
	var position *int64
	err := db.QueryRowContext(ctx, `SELECT eventfeed.position($1, $2, $3)`, feed, source, id).Scan(&position)
	if err == nil || !sqlany.IsSQLite(ctx, db) {
		return orZero(position), postgresError(err)
	}
	err = db.QueryRowContext(ctx, `
		SELECT p.position FROM eventfeed_feeds f JOIN eventfeed_events e ON e.feed = f.feed
		LEFT JOIN eventfeed_positions p ON p.insert_no = e.insert_no
		WHERE f.name = ? AND e.source = ? AND e.id = ?`, feed, cmp.Or(source, "/"+feed), id).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("feed %q, event %q: %w", feed, id, ErrNoEvent)
	}
	return orZero(position), err
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
