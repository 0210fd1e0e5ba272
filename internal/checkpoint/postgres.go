package checkpoint

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
)

//go:embed postgres_migrations/*.sql
var postgresMigrations embed.FS

// What stands before a consumer's name in the name of its lock, and of its step.
const (
	lockPrefix = "eventfeed consumer "
	stepPrefix = "eventfeed step "
)

// claimLimit is how long it may take to claim a consumer, all in all: nothing of it
// is users' work.
const claimLimit = time.Minute

// Postgres keeps checkpoints in the table eventfeed_seed.checkpoints of a
// PostgreSQL target. It is for one goroutine.
type Postgres struct {
	// Rehearse makes one transaction of all, which is rolled back in the end.
	Rehearse bool
	// Fresh lets each transaction begin with the settings that its session was
	// opened with, whatever users' SQL has set in the transactions before.
	Fresh bool

	pool      *pgxpool.Pool
	lock      *postgresdb.AdvisoryLock
	conn      *pgxpool.Conn // runs the consumer's transactions
	path      string        // the search_path that conn came with
	used      time.Time     // when conn last answered
	options   pgx.TxOptions // how conn's transactions begin
	step      *postgresdb.Step
	holder    string
	rehearsal pgx.Tx
	rehearses sync.Mutex // held by who uses rehearsal: a Memory does, too
}

// NewPostgres returns the keeper of the database that pool leads to.
func NewPostgres(pool *pgxpool.Pool) *Postgres { return &Postgres{pool: pool} }

// SetRehearsal sets Rehearse. It must not be called between Claim and Release.
func (p *Postgres) SetRehearsal(on bool) { p.Rehearse = on }

// Migrate makes the table where it is missing.
func (p *Postgres) Migrate(ctx context.Context) error {
	files, err := fs.Sub(postgresMigrations, "postgres_migrations")
	if err != nil {
		return err
	}
	return migratepostgres.Migrations{Schema: "eventfeed_seed", Files: files}.Up(ctx, p.pool)
}

// Claim makes this process the holder of consumer until Release, or returns
// ErrHeld.
func (p *Postgres) Claim(ctx context.Context, consumer string) (err error) {
	p.Release()
	ctx, cancel := context.WithTimeout(ctx, claimLimit)
	defer cancel()
	if err := p.claim(ctx, consumer); err != nil {
		p.Release()
		return err
	}
	p.holder = newHolder()
	return pgx.BeginTxFunc(ctx, p.conn, postgresdb.Limited(ctx, claimPatience), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO eventfeed_seed.holders VALUES ($1, $2) ON CONFLICT (consumer) DO UPDATE SET holder = $2", consumer, p.holder)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE eventfeed_seed.checkpoints SET holder = $2 WHERE consumer = $1", consumer, p.holder)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE eventfeed_seed.consumers SET held_by = $2, held_since = now() WHERE consumer = $1", consumer, process())
		}
		return blocked(err, consumer)
	})
}

// blocked names what another session has locked, if that is why a statement failed.
func blocked(err error, consumer string) error {
	if explainpostgres.Code(err) != explainpostgres.LockNotAvailable {
		return err
	}
	return fmt.Errorf("consumer %s: another session has locked its row in eventfeed_seed.checkpoints or eventfeed_seed.consumers: %w", consumer, err)
}

func (p *Postgres) claim(ctx context.Context, consumer string) (err error) {
	if err := p.renew(ctx); err != nil {
		return err
	}
	if err := p.learnSession(ctx); err != nil {
		return err
	}
	if p.step, err = postgresdb.NewStep(ctx, p.pool, p.conn.Conn(), stepPrefix+consumer); err != nil {
		return err
	}
	p.lock, err = postgresdb.TryLock(ctx, p.pool, lockPrefix+consumer, claimPatience)
	if err == nil && p.lock == nil {
		err = fmt.Errorf("consumer %s: %w", consumer, ErrHeld)
	}
	if err != nil {
		return err
	}
	// Who held the consumer before may still be in a step, although its lock is gone.
	for began := time.Now(); ; {
		free, err := p.step.Clear(ctx, p.conn)
		switch {
		case err != nil || free:
			return err
		case time.Since(began) > claimPatience:
			return fmt.Errorf("consumer %s: %w: its last step goes on", consumer, ErrHeld)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(claimInterval):
		}
	}
}

// learnSession finds out what the connection's session is like.
func (p *Postgres) learnSession(ctx context.Context) (err error) {
	conn := p.conn.Conn()
	if !p.Fresh {
		p.options = postgresdb.Own
		p.path, err = postgresdb.Path(ctx, conn)
		return err
	}
	pooled, err := postgresdb.IsPooled(ctx, p.pool, conn)
	if err != nil {
		return err
	}
	p.options = postgresdb.Fresh
	if pooled { // whose session is others', too
		p.options = postgresdb.Own
	}
	p.path, err = postgresdb.FirstPath(ctx, conn)
	return err
}

// Lost returns a channel that is closed when someone else may hold the consumer,
// between Claim and Release; it is nil otherwise.
func (p *Postgres) Lost() <-chan struct{} {
	if p.lock == nil {
		return nil
	}
	return p.lock.Lost()
}

// ShareLock calls use with a descriptor that keeps the consumer's lock for whoever
// inherits it, as long as that holds it open, also if this process ends first.
// Release ends the lock at once. It returns ErrLost without a lock.
func (p *Postgres) ShareLock(use func(fd uintptr) error) error {
	if p.lock == nil || isClosed(p.Lost()) {
		return ErrLost
	}
	return p.lock.Share(use)
}

// Release gives the consumer back.
func (p *Postgres) Release() {
	if p.rehearsal != nil {
		_ = p.rehearsal.Rollback(context.Background())
		p.rehearsal = nil
	}
	if p.lock != nil {
		p.lock.Release()
		p.lock = nil
	}
	p.dropConn()
}

// dropConn closes the connection. What a user's SQL may have set for longer than
// its transaction ends with it.
func (p *Postgres) dropConn() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.conn.Conn().Close(ctx)
	p.conn.Release()
	p.conn = nil
}

// renew takes another connection.
func (p *Postgres) renew(ctx context.Context) (err error) {
	p.dropConn()
	p.conn, err = p.pool.Acquire(ctx)
	p.used = time.Now()
	return err
}

// idleLimit is for how long a connection is trusted to be alive without a question.
const idleLimit = time.Second

// pingLimit is how long the answer to that question may take.
const pingLimit = 5 * time.Second

// refresh takes another connection if this one was ended while it was idle, by
// idle_session_timeout or a firewall. It held nothing: the lock has a connection of
// its own.
func (p *Postgres) refresh(ctx context.Context) error {
	if time.Since(p.used) < idleLimit {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	err := p.conn.Ping(limited)
	if err == nil {
		return nil
	}
	postgresdb.Suspect(p.pool, err)
	return p.renew(ctx)
}

// Load returns the consumer's checkpoints.
func (p *Postgres) Load(ctx context.Context, consumer string) (all []Checkpoint, err error) {
	err = p.Do(ctx, func(tx pgx.Tx) error {
		all, err = selectPostgres(ctx, tx, "WHERE consumer = $1 ORDER BY feed_id", consumer)
		return err
	})
	return all, err
}

// Consumers returns the names of all consumers, whatever version has made the
// table; none if there is no table.
func (p *Postgres) Consumers(ctx context.Context) ([]string, error) {
	var there bool
	if err := postgresdb.NewReader(p.pool).QueryRow(ctx, "SELECT to_regclass('eventfeed_seed.checkpoints') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, err := postgresdb.NewReader(p.pool).Query(ctx, "SELECT DISTINCT consumer FROM eventfeed_seed.checkpoints ORDER BY consumer")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func selectPostgres(ctx context.Context, tx pgx.Tx, where string, arguments ...any) ([]Checkpoint, error) {
	rows, err := tx.Query(ctx, `SELECT consumer, feed, feed_id, url, epoch, position, digest, seed_end, skipped, left_out, updated FROM eventfeed_seed.checkpoints `+where, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Checkpoint, err error) {
		var digest []byte
		if err = row.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.URL, &c.Epoch, &c.Position, &digest, &c.SeedEnd, &c.Skipped, &c.LeftOut, &c.Updated); err == nil {
			c.Digest = feed.Digest(digest)
		}
		return c, err
	})
}

// stillHolds returns ErrMoved if someone else has claimed the consumer since, and
// lets nobody claim it before the transaction ends.
func (p *Postgres) stillHolds(ctx context.Context, tx pgx.Tx, consumer string) error {
	tag, err := tx.Exec(ctx, "SELECT FROM eventfeed_seed.holders WHERE consumer = $1 AND holder = $2 FOR SHARE", consumer, p.holder)
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("consumer %s: %w", consumer, ErrMoved)
	}
	return err
}

// Move runs apply and makes the moves, in one transaction that is on disk when
// it has committed. apply may count up what was skipped. It returns ErrMoved,
// and nothing is applied, if a checkpoint is not where its move begins or has
// another holder.
func (p *Postgres) Move(ctx context.Context, moves []Move, apply func(pgx.Tx) error) error {
	return p.Do(ctx, func(tx pgx.Tx) error {
		// First, so that their row locks stop anyone else before the work is done.
		for i := range moves {
			if err := p.move(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		if err := p.theirs(ctx, tx); err != nil {
			return err
		}
		if err := apply(tx); err != nil {
			return err
		}
		for i := range moves {
			if to := &moves[i].To; to.Skipped != moves[i].From.Skipped {
				_, err := tx.Exec(ctx, `UPDATE eventfeed_seed.checkpoints SET skipped = $3
					WHERE consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2`,
					to.Consumer, to.FeedID, to.Skipped)
				if err != nil {
					return err
				}
			}
			if err := skipPostgres(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *Postgres) move(ctx context.Context, tx pgx.Tx, m *Move) error {
	from, to := &m.From, &m.To
	tag, err := tx.Exec(ctx, `
		UPDATE eventfeed_seed.checkpoints
		SET feed = $3, url = $4, epoch = $5, position = $6, digest = $7, seed_end = $8, left_out = $9, updated = now()
		WHERE consumer = $1 AND feed_id = $2 AND position = $10 AND digest = $11 AND holder = $12`,
		to.Consumer, to.FeedID, to.Feed, to.URL, to.Epoch, to.Position, to.Digest[:], to.SeedEnd, to.LeftOut,
		from.Position, from.Digest[:], p.holder)
	if err != nil {
		return blocked(err, to.Consumer)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("%s: %w", from, ErrMoved)
	}
	if to.Position < from.Position {
		_, err = tx.Exec(ctx, "DELETE FROM eventfeed_seed.parked WHERE consumer = $1 AND feed_id = $2 AND position > $3",
			to.Consumer, to.FeedID, to.Position)
	}
	if err == nil {
		err = keepPostgres(ctx, tx, m)
	}
	if err == nil {
		err = markPostgres(ctx, tx, to.Consumer, to.FeedID, m.Marks)
	}
	return err
}

// Delete runs apply and deletes all checkpoints of a consumer, in one transaction that is on
// disk when it has committed. It returns ErrMoved, and nothing is done, if one
// of them is not there as given, or has another holder.
func (p *Postgres) Delete(ctx context.Context, all []Checkpoint, apply func(pgx.Tx) error) error {
	return p.Do(ctx, func(tx pgx.Tx) error {
		for _, c := range all {
			tag, err := tx.Exec(ctx, `
				DELETE FROM eventfeed_seed.checkpoints
				WHERE consumer = $1 AND feed_id = $2 AND position = $3 AND digest = $4 AND holder = $5`,
				c.Consumer, c.FeedID, c.Position, c.Digest[:], p.holder)
			if err != nil {
				return blocked(err, c.Consumer)
			}
			if tag.RowsAffected() != 1 {
				return fmt.Errorf("%s: %w", c, ErrMoved)
			}
			if err := unmarkPostgres(ctx, tx, c.Consumer, c.FeedID); err != nil {
				return err
			}
			for _, table := range []string{"parked", "digests", "skipped", "consumers", "holders"} {
				if _, err := tx.Exec(ctx, "DELETE FROM eventfeed_seed."+table+" WHERE consumer = $1", c.Consumer); err != nil {
					return err
				}
			}
		}
		if err := p.theirs(ctx, tx); err != nil {
			return err
		}
		return apply(tx)
	})
}

// theirs makes the settings of a transaction those of users' SQL, and of the
// triggers that run at its commit. Our own statements name everything after it
// with its schema.
func (p *Postgres) theirs(ctx context.Context, tx pgx.Tx) error {
	return postgresdb.Theirs(ctx, tx, p.path)
}

// Do runs do in a transaction of the consumer's connection, from Claim to
// Release; while rehearsing in a savepoint of the one that is rolled back.
func (p *Postgres) Do(ctx context.Context, do func(pgx.Tx) error) error {
	if isClosed(p.Lost()) {
		return ErrLost
	}
	if p.Rehearse {
		defer p.step.Watch(ctx, p.conn.Conn())()
		return p.rehearse(ctx, do)
	}
	if err := p.refresh(ctx); err != nil {
		return err
	}
	defer p.step.Watch(ctx, p.conn.Conn())()
	defer func() { p.used = time.Now() }()
	return pgx.BeginTxFunc(ctx, p.conn, p.step.Options(p.options), do)
}

// rehearse runs do in a savepoint of a transaction that Release rolls back.
func (p *Postgres) rehearse(ctx context.Context, do func(pgx.Tx) error) (err error) {
	p.rehearses.Lock()
	defer p.rehearses.Unlock()
	if p.rehearsal == nil {
		if p.rehearsal, err = p.conn.BeginTx(ctx, p.step.Options(postgresdb.Own)); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, p.rehearsal, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, postgresdb.Pin); err != nil { // after theirs, of what was done before
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		check, err := checkDeferred(ctx, tx)
		if err == nil && check != "" {
			_, err = tx.Exec(ctx, check) // as a commit would
		}
		return err
	})
}

// MayPass reports whether an error may be gone after a while.
func (p *Postgres) MayPass(err error) bool {
	return errors.Is(err, ErrLost) || explainpostgres.Transient(err) || isBroken(p.conn)
}

// Suspect drops connections of the pool, if an error shows that they lead to a
// server that is away, or to one that is not the primary any more.
func (p *Postgres) Suspect(err error) { postgresdb.Suspect(p.pool, err) }

func isBroken(conn *pgxpool.Conn) bool { return conn != nil && conn.Conn().IsClosed() }
