package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

// identity is the SQL expression of the identity of the database that a history is written on. The
// identity changes with a promotion or a point-in-time recovery (timeline), with a restored cluster
// (system identifier) and with a restored dump (database and table).
const identity = `(SELECT s.system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
	(SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) || '/' || 'eventfeed.feeds'::regclass::oid
	FROM pg_control_system() s)`

// moved is the SQL expression that tells whether a feed's history was written on another database.
// It is false on a standby, which has the same history as its primary.
const moved = `CASE WHEN pg_is_in_recovery() THEN false ELSE f.identity <> ` + identity + ` END`

// checkIdentity refuses a database that has no identity, as is the case for some services with
// PostgreSQL's protocol. It does not check a standby before its promotion.
func checkIdentity(ctx context.Context, pool *pgxpool.Pool) error {
	var now string
	err := postgresdb.NewReader(pool).QueryRow(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE "+identity+" END").Scan(&now)
	if err == nil || explainpostgres.Transient(err) || explainpostgres.Code(err) == "" {
		return err
	}
	return fmt.Errorf("this database does not tell its identity, by which a restore that has lost events is noticed; "+
		"eventfeed needs the functions pg_control_system(), pg_current_wal_lsn() and pg_walfile_name(), "+
		"and a role that may execute them: %w", err)
}
