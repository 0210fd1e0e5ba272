package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

// Watch listens for what the transactions of sequencers and sealers say.
func (l *Log) Watch(ctx context.Context, changed func(name string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.stopListening = cancel
	l.mu.Unlock()
	return postgresdb.Listen(ctx, l.pool, channel, changed)
}

// Versions takes the transaction that wrote a row last, and all that stands in
// it: a standby that was promoted counts transactions on from where it was, and
// another one may have had the same number before. The hash is one that PostgreSQL
// has wherever it runs: md5 is forbidden on systems in FIPS mode.
func (l *Log) Versions(ctx context.Context) (map[string]string, error) {
	rows, err := l.db.Query(ctx, "SELECT f.name, f.xmin::text || ' ' || hashtextextended(f::text, 0) FROM eventfeed.feeds f")
	versions := make(map[string]string)
	var name, version string
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&name, &version}, func() error {
			versions[name] = version
			return nil
		})
	}
	postgresdb.Suspect(l.pool, err)
	return versions, err
}
