package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3/database"

	"github.com/eventfeed/eventfeed/internal/postgresdb"
)

// The tables in which a schema says of what version it is, and which programs
// work on it. The second one may be missing: then only those of that version.
const (
	versionTable       = "schema_version"
	compatibilityTable = "schema_compatibility"
)

// Postgres is a schema in PostgreSQL databases.
type Postgres struct {
	Schema string
	Files  fs.FS
	Grants string // SQL to run after the migrations; may be empty
}

// Up makes the schema if it is not there, and brings it up to date. It writes
// nothing if it is. It returns ErrCannotMake or ErrTooOld where it fails.
func (p Postgres) Up(ctx context.Context, pool *pgxpool.Pool) error {
	if current, err := p.isCurrent(ctx, pool); err != nil || current {
		return err
	}
	return p.Force(ctx, pool)
}

// Force is Up, and grants the rights anew even if the schema is up to date: a
// role that was missing may be there now.
func (p Postgres) Force(ctx context.Context, pool *pgxpool.Pool) error {
	// Programs that start together must not migrate at once.
	lock, err := postgresdb.Lock(ctx, pool, "eventfeed migrate")
	if err != nil {
		return fmt.Errorf("wait for others that migrate: %w", err)
	}
	defer lock.Release()
	s, err := p.state(ctx, pool)
	if err != nil {
		return err
	}
	current, err := s.isCurrent("schema "+p.Schema, p.Files)
	if err != nil {
		return err
	}
	if s.version == 0 {
		if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{p.Schema}.Sanitize()); err != nil {
			return fmt.Errorf("%w %s: %w", ErrCannotMake, p.Schema, err)
		}
	}
	if !current {
		err := p.setSequence(ctx, pool, s)
		if err == nil {
			err = p.up(ctx, pool)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTooOld, err)
		}
	}
	if _, err := pool.Exec(ctx, p.Grants); err != nil {
		return fmt.Errorf("grant rights in schema %s: %w", p.Schema, err)
	}
	return nil
}

// setSequence sets the sequence of the version table past its rows. They may
// have come by logical replication, which leaves it where it was.
func (p Postgres) setSequence(ctx context.Context, pool *pgxpool.Pool, s state) error {
	if s.version == 0 {
		return nil
	}
	if _, err := pool.Exec(ctx, p.sequenceStatement()); err != nil {
		return fmt.Errorf("set the sequence of table %s.%s: %w", p.Schema, versionTable, err)
	}
	return nil
}

func (p Postgres) sequenceStatement() string {
	versions := pgx.Identifier{p.Schema, versionTable}.Sanitize()
	return fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%s', 'id'), max(id)) FROM %s`, versions, versions)
}

// How often, and for how long, a migration is tried that gave up waiting for a
// lock, so that writers had their turn.
const (
	lockInterval = time.Second
	lockPatience = 10 * time.Minute
)

// up applies what is missing. Migrations wait for locks only for a moment.
func (p Postgres) up(ctx context.Context, pool *pgxpool.Pool) error {
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }() // leaves the pool open
	for deadline := time.Now().Add(lockPatience); ; {
		err := up(ctx, db, database.DialectPostgres, p.Schema+"."+versionTable, p.Files)
		pgErr, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pgErr.Code != lockNotAvailable || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lockInterval):
		}
	}
}

const lockNotAvailable = "55P03"

// Check returns ErrNone, ErrTooOld or ErrTooNew if this program cannot work on the
// schema as it is. It writes nothing.
func (p Postgres) Check(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := p.state(ctx, pool)
	if err != nil {
		return err
	}
	return s.check("schema "+p.Schema, p.Files)
}

func (p Postgres) isCurrent(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	s, err := p.state(ctx, pool)
	if err != nil {
		return false, err
	}
	return s.isCurrent("schema "+p.Schema, p.Files)
}

// state looks without a lock and without writing, so that a program may start
// on a database that it has no right to change.
func (p Postgres) state(ctx context.Context, pool *pgxpool.Pool) (s state, err error) {
	var versioned, compatible, used bool
	err = pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE c.relname = $2) > 0, count(*) FILTER (WHERE c.relname = $3) > 0, count(*) > 0
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1`, p.Schema, versionTable, compatibilityTable).Scan(&versioned, &compatible, &used)
	if err != nil {
		return s, fmt.Errorf("look for schema %s: %w", p.Schema, err)
	}
	if used && !versioned {
		return s, fmt.Errorf("schema %s: %w", p.Schema, ErrNotOurs)
	}
	if !versioned {
		return s, nil
	}
	query := "SELECT coalesce(max(version_id), 0) FROM " + pgx.Identifier{p.Schema, versionTable}.Sanitize()
	if err := pool.QueryRow(ctx, query).Scan(&s.version); err != nil {
		return s, fmt.Errorf("read the version of schema %s: %w", p.Schema, err)
	}
	s.oldest = s.version
	if compatible {
		query := "SELECT max(oldest) FROM " + pgx.Identifier{p.Schema, compatibilityTable}.Sanitize()
		if err := pool.QueryRow(ctx, query).Scan(&s.oldest); err != nil {
			return s, fmt.Errorf("read what works on schema %s: %w", p.Schema, err)
		}
	}
	return s, nil
}

// Script returns the SQL that does what Force would do, for someone else to
// run: in one transaction, and only on a schema of the version found now.
func (p Postgres) Script(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	s, err := p.state(ctx, pool)
	if err != nil {
		return "", err
	}
	if _, err := s.isCurrent("schema "+p.Schema, p.Files); err != nil {
		return "", err
	}
	versions := pgx.Identifier{p.Schema, versionTable}.Sanitize()
	script := script{}
	script.line("BEGIN;")
	script.line("SELECT pg_advisory_xact_lock(hashtextextended('eventfeed migrate', 0));")
	if s.version == 0 {
		script.line("CREATE SCHEMA IF NOT EXISTS " + pgx.Identifier{p.Schema}.Sanitize() + ";")
		script.line("CREATE TABLE " + versions + " (" + `
    id         integer   PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    version_id bigint    NOT NULL,
    is_applied boolean   NOT NULL,
    tstamp     timestamp NOT NULL DEFAULT now()
);`)
		script.line("INSERT INTO " + versions + " (version_id, is_applied) VALUES (0, true);")
	} else {
		script.line(fmt.Sprintf(`DO $$ BEGIN
    IF (SELECT max(version_id) FROM %s) <> %d THEN RAISE EXCEPTION 'schema %s is not at version %d any more: print the script anew'; END IF;
END $$;`, versions, s.version, p.Schema, s.version))
		script.line(p.sequenceStatement() + ";")
	}
	if err := script.migrations(p.Files, versions, s.version); err != nil {
		return "", err
	}
	script.line(p.Grants)
	script.line("COMMIT;")
	return script.String(), nil
}
