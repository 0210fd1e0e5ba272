// Package postgresdb opens PostgreSQL databases the one way that eventfeed uses
// them, also through a pooler such as PgBouncer that gives each transaction
// another connection.
package postgresdb

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// IsURL reports whether a database URL is one of PostgreSQL.
func IsURL(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Open returns a pool of at least this many connections to the database at
// url. It connects when the first one is needed. Each connection speaks UTF-8,
// whatever client_encoding the URL, the environment, the role or the database
// sets.
func Open(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = max(config.MaxConns, connections)
	probe, err := newPoolerProbe(config.ConnConfig)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["client_encoding"] = encoding
	config.BeforeConnect = probe.adapt
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		probe.mark(conn)
		return checkEncoding(ctx, conn)
	}
	watchPeers(config)
	var pool *pgxpool.Pool
	pingIdle(config, func() { pool.Reset() })
	pool, err = pgxpool.NewWithConfig(ctx, config)
	return pool, err
}
