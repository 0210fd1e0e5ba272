// Package postgresdb opens PostgreSQL databases the one way that eventfeed uses
// them, also through a pooler such as PgBouncer that gives each transaction
// another connection.
package postgresdb

import (
	"context"
	"fmt"
	"strings"
	"sync"

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
	config.ConnConfig.RuntimeParams["client_encoding"] = encoding
	config.BeforeConnect = new(poolerProbe).adapt
	config.AfterConnect = checkEncoding
	return pgxpool.NewWithConfig(ctx, config)
}

// poolerProbe finds out, with the first connection, whether a pooler stands
// between. Statements that are prepared on one connection of a pooler's cannot
// be found on the next, so then none are.
type poolerProbe struct {
	mu     sync.Mutex
	probed bool
	pooled bool
}

func (p *poolerProbe) adapt(ctx context.Context, config *pgx.ConnConfig) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.probed {
		if err := p.probe(ctx, config.Copy()); err != nil {
			return err
		}
	}
	if p.pooled && preparesStatements(config.DefaultQueryExecMode) {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

func preparesStatements(mode pgx.QueryExecMode) bool {
	return mode == pgx.QueryExecModeCacheStatement || mode == pgx.QueryExecModeDescribeExec
}

func (p *poolerProbe) probe(ctx context.Context, config *pgx.ConnConfig) error {
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := askEncoding(ctx, conn); err != nil {
		return err
	}
	pooled, err := isPooled(ctx, conn)
	p.pooled, p.probed = pooled, err == nil
	return err
}

// isPooled reports whether a connection leads to a pooler. PostgreSQL tells a
// client at the start which process serves it; a pooler makes a number up.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return false, fmt.Errorf("ask for the server's process: %w", err)
	}
	return pid != conn.PgConn().PID(), nil
}
