package checkpoint

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/migrate"
	"github.com/eventfeed/eventfeed/internal/postgresdb"
)

//go:embed postgres_migrations/*.sql
var postgresMigrations embed.FS

// Postgres keeps checkpoints in the table eventfeed_seed.checkpoints of a
// PostgreSQL target. It is for one goroutine.
type Postgres struct {
	pool   *pgxpool.Pool
	lock   *postgresdb.AdvisoryLock
	conn   *pgxpool.Conn // runs the consumer's transactions
	holder string
}

// NewPostgres returns the keeper of the database that pool leads to.
func NewPostgres(pool *pgxpool.Pool) *Postgres { return &Postgres{pool: pool} }

// Migrate makes the table where it is missing.
func (p *Postgres) Migrate(ctx context.Context) error {
	files, err := fs.Sub(postgresMigrations, "postgres_migrations")
	if err != nil {
		return err
	}
	return migrate.Postgres{Schema: "eventfeed_seed", Files: files}.Up(ctx, p.pool)
}

// Claim makes this process the holder of consumer until Release, or returns
// ErrHeld.
func (p *Postgres) Claim(ctx context.Context, consumer string) (err error) {
	p.Release()
	if err := p.claim(ctx, consumer); err != nil {
		p.Release()
		return err
	}
	p.holder = newHolder()
	_, err = p.conn.Exec(ctx, "UPDATE eventfeed_seed.checkpoints SET holder = $2 WHERE consumer = $1", consumer, p.holder)
	return err
}

func (p *Postgres) claim(ctx context.Context, consumer string) (err error) {
	if p.conn, err = p.pool.Acquire(ctx); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	p.lock, err = postgresdb.Lock(patient, p.pool, "eventfeed consumer "+consumer)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("consumer %s: %w", consumer, ErrHeld)
	}
	return err
}

// Conn is the connection for the consumer's transactions, from Claim to Release.
func (p *Postgres) Conn() *pgx.Conn { return p.conn.Conn() }

// Release gives the consumer back.
func (p *Postgres) Release() {
	if p.lock != nil {
		p.lock.Release()
		p.lock = nil
	}
	if p.conn != nil {
		p.conn.Release()
		p.conn = nil
	}
}

// Load returns the consumer's checkpoints.
func (p *Postgres) Load(ctx context.Context, consumer string) ([]Checkpoint, error) {
	return selectPostgres(ctx, p.conn, "WHERE consumer = $1 ORDER BY feed_id", consumer)
}

// List returns the checkpoints of every consumer; none if there is no table.
func (p *Postgres) List(ctx context.Context) ([]Checkpoint, error) {
	var there bool
	if err := p.pool.QueryRow(ctx, "SELECT to_regclass('eventfeed_seed.checkpoints') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, err
	}
	return selectPostgres(ctx, p.pool, "ORDER BY consumer, feed")
}

func selectPostgres(ctx context.Context, db interface {
	Query(ctx context.Context, query string, arguments ...any) (pgx.Rows, error)
}, where string, arguments ...any) ([]Checkpoint, error) {
	rows, err := db.Query(ctx, `SELECT consumer, feed, feed_id, epoch, position, digest, updated FROM eventfeed_seed.checkpoints `+where, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Checkpoint, err error) {
		var digest []byte
		if err = row.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.Epoch, &c.Position, &digest, &c.Updated); err == nil {
			c.Digest = feed.Digest(digest)
		}
		return c, err
	})
}

// Start writes a consumer's first checkpoint for a feed.
func (p *Postgres) Start(ctx context.Context, c Checkpoint) error {
	_, err := p.conn.Exec(ctx, `
		INSERT INTO eventfeed_seed.checkpoints (consumer, feed, feed_id, epoch, position, digest, holder)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, c.Consumer, c.Feed, c.FeedID, c.Epoch, c.Position, c.Digest[:], p.holder)
	return err
}

// Move runs apply and moves the checkpoint, on or back, in one transaction that
// is on disk when it has committed. It returns ErrMoved, and nothing is
// applied, if the checkpoint is not at from or has another holder.
func (p *Postgres) Move(ctx context.Context, from, to Checkpoint, apply func(pgx.Tx) error) error {
	return p.write(ctx, func(tx pgx.Tx) error {
		// First, so that its row lock stops anyone else before the work is done.
		tag, err := tx.Exec(ctx, `
			UPDATE eventfeed_seed.checkpoints SET feed = $3, epoch = $4, position = $5, digest = $6, updated = now()
			WHERE consumer = $1 AND feed_id = $2 AND position = $7 AND digest = $8 AND holder = $9`,
			to.Consumer, to.FeedID, to.Feed, to.Epoch, to.Position, to.Digest[:], from.Position, from.Digest[:], p.holder)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("%s: %w", from, ErrMoved)
		}
		return apply(tx)
	})
}

// Delete runs apply and deletes the checkpoints, in one transaction that is on
// disk when it has committed. It returns ErrMoved, and nothing is done, if one
// of them is not there as given, or has another holder.
func (p *Postgres) Delete(ctx context.Context, all []Checkpoint, apply func(pgx.Tx) error) error {
	return p.write(ctx, func(tx pgx.Tx) error {
		for _, c := range all {
			tag, err := tx.Exec(ctx, `
				DELETE FROM eventfeed_seed.checkpoints
				WHERE consumer = $1 AND feed_id = $2 AND position = $3 AND digest = $4 AND holder = $5`,
				c.Consumer, c.FeedID, c.Position, c.Digest[:], p.holder)
			if err != nil {
				return err
			}
			if tag.RowsAffected() != 1 {
				return fmt.Errorf("%s: %w", c, ErrMoved)
			}
			if err := unmarkPostgres(ctx, tx, c.Consumer, c.FeedID); err != nil {
				return err
			}
		}
		return apply(tx)
	})
}

// write runs do in one transaction that is on disk when it has committed.
func (p *Postgres) write(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'remote_apply'`)
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// MayPass reports whether an error may be gone after a while: the server is
// away, is restarting, or lacks something for a moment.
func (p *Postgres) MayPass(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgErr.Code {
		case "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03":
			return true
		}
		return strings.HasPrefix(pgErr.Code, "08")
	}
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	return errors.As(err, &netErr) || errors.As(err, &connectErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		pgconn.SafeToRetry(err) || isBroken(p.conn)
}

func isBroken(conn *pgxpool.Conn) bool { return conn != nil && conn.Conn().IsClosed() }
