package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

// Watch listens for the notifications of sequencers and sealers.
func (l *Log) Watch(ctx context.Context, changed func(name string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.stopListening = cancel
	l.mu.Unlock()
	return postgresdb.Listen(ctx, l.pool, channel, changed)
}

// Versions returns for each feed the transaction that wrote its row last, a hash of the row, and whether
// the feed has entities. The
// transaction id alone is not enough: a promoted standby continues its own count, so another
// transaction may have had the same id before. The hash function is available in every PostgreSQL;
// md5 is not, in FIPS mode.
func (l *Log) Versions(ctx context.Context) (map[string]string, error) {
	rows, err := l.db.Query(ctx, `
		SELECT f.name, f.xmin::text || ' ' || hashtextextended(f::text, 0) || ' ' || n.entities
		FROM eventfeed.feeds f JOIN eventfeed.entity_feeds n ON n.feed = f.feed`)
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
