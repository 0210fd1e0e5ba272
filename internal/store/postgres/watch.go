package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/postgresdb"
)

// Watch listens for what the transactions of sequencers and sealers say.
func (l *Log) Watch(ctx context.Context, changed func(name string)) error {
	return postgresdb.Listen(ctx, l.pool, channel, changed)
}

// Versions takes the transaction that wrote a row last for its version.
func (l *Log) Versions(ctx context.Context) (map[string]string, error) {
	rows, err := l.pool.Query(ctx, "SELECT f.name, f.xmin::text || f.ctid::text FROM eventfeed.feeds f")
	if err != nil {
		return nil, err
	}
	versions := make(map[string]string)
	var name, version string
	_, err = pgx.ForEachRow(rows, []any{&name, &version}, func() error {
		versions[name] = version
		return nil
	})
	return versions, err
}
