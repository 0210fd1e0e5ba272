package sqlitedb

import (
	"context"
	"database/sql"
	"iter"
)

// Querier runs queries. A *sql.DB, a *sql.Conn and a *sql.Tx are Queriers.
type Querier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

// Row is one row of a result. A *sql.Row and a *sql.Rows are Rows.
type Row interface {
	Scan(targets ...any) error
}

// Rows returns an iterator over the results of scan for each row of a query, in the query's order.
// Each iteration runs the query again. The first error, of the query, of scan or of reading the
// next row, is yielded with a meaningless value and ends the iteration.
//
// The iteration holds a connection until it ends or the loop is left. The loop's body must
// not wait for another one: [OpenWriter] has only one.
func Rows[T any](ctx context.Context, db Querier, scan func(Row) (T, error), query string, arguments ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := db.QueryContext(ctx, query, arguments...)
		if err != nil {
			yield(none, err)
			return
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			value, err := scan(rows)
			if !yield(value, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// CollectRows returns what scan makes of each row of a query, in the query's order: nil if
// there are no rows, or with the first error.
func CollectRows[T any](ctx context.Context, db Querier, scan func(Row) (T, error), query string, arguments ...any) (all []T, err error) {
	for value, err := range Rows(ctx, db, scan, query, arguments...) {
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

// RowTo scans a row of one column. It is a scan function for [Rows] and [CollectRows].
func RowTo[T any](row Row) (value T, err error) {
	err = row.Scan(&value)
	return value, err
}
