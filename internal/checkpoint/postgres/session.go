package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

// The prefixes of the names of a consumer's lock and of its step.
const (
	lockPrefix = "eventfeed consumer "
	stepPrefix = "eventfeed step "
)

// claimLimit is the timeout of claiming a consumer, which runs no SQL of users.
const claimLimit = time.Minute

// claimInterval is how often Claim checks whether the previous holder's step has ended.
const claimInterval = 100 * time.Millisecond

// Session keeps checkpoints in the schema eventfeed_seed of a PostgreSQL target. It is a
// checkpoint.Backend with all optional interfaces.
type Session struct {
	pool     *pgxpool.Pool
	sink     Sink // nil if it is external, or if nothing is applied
	dryRun   bool // everything is one transaction, which Close rolls back
	fresh    bool // see Target
	consumer string

	lock      *postgresdb.AdvisoryLock
	conn      *pgxpool.Conn // runs the consumer's transactions
	path      string        // the search_path of conn's session at login
	used      time.Time     // when conn last answered
	options   pgx.TxOptions // the options of conn's transactions
	step      *postgresdb.Step
	holder    string
	rehearsal pgx.Tx
	rehearses sync.Mutex // protects rehearsal, which a Memory also uses
}

// Claim makes this process the holder of consumer until Close, or returns ErrHeld.
func (s *Session) Claim(ctx context.Context, consumer string) (err error) {
	s.Close()
	s.consumer = consumer
	ctx, cancel := context.WithTimeout(ctx, claimLimit)
	defer cancel()
	if err := s.claim(ctx, consumer); err != nil {
		s.Close()
		return err
	}
	s.holder = checkpoint.NewHolder()
	return pgx.BeginTxFunc(ctx, s.conn, postgresdb.Limited(ctx, checkpoint.ClaimPatience), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO eventfeed_seed.holders VALUES ($1, $2) ON CONFLICT (consumer) DO UPDATE SET holder = $2", consumer, s.holder)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE eventfeed_seed.checkpoints SET holder = $2 WHERE consumer = $1", consumer, s.holder)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE eventfeed_seed.consumers SET held_by = $2, held_since = now() WHERE consumer = $1", consumer, checkpoint.Process())
		}
		return blocked(err, consumer)
	})
}

// blocked adds to an error of a lock timeout which rows another session has locked.
func blocked(err error, consumer string) error {
	if explainpostgres.Code(err) != explainpostgres.LockNotAvailable {
		return err
	}
	return fmt.Errorf("consumer %s: another session has locked its row in eventfeed_seed.checkpoints or eventfeed_seed.consumers: %w", consumer, err)
}

func (s *Session) claim(ctx context.Context, consumer string) (err error) {
	if err := s.renew(ctx); err != nil {
		return err
	}
	if err := s.learnSession(ctx); err != nil {
		return err
	}
	if s.step, err = postgresdb.NewStep(ctx, s.pool, s.conn.Conn(), stepPrefix+consumer); err != nil {
		return err
	}
	s.lock, err = postgresdb.TryLock(ctx, s.pool, lockPrefix+consumer, checkpoint.ClaimPatience)
	if err == nil && s.lock == nil {
		err = fmt.Errorf("consumer %s: %w", consumer, checkpoint.ErrHeld)
	}
	if err != nil {
		return err
	}
	// The previous holder may still be in a step, although it has lost its lock.
	for began := time.Now(); ; {
		free, err := s.step.Clear(ctx, s.conn)
		switch {
		case err != nil || free:
			return err
		case time.Since(began) > checkpoint.ClaimPatience:
			return fmt.Errorf("consumer %s: %w: its last step is still running", consumer, checkpoint.ErrHeld)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(claimInterval):
		}
	}
}

// learnSession finds out the connection's search_path, and how its transactions must begin.
func (s *Session) learnSession(ctx context.Context) (err error) {
	conn := s.conn.Conn()
	if !s.fresh {
		s.options = postgresdb.Own
		s.path, err = postgresdb.Path(ctx, conn)
		return err
	}
	pooled, err := postgresdb.IsPooled(ctx, s.pool, conn)
	if err != nil {
		return err
	}
	s.options = postgresdb.Fresh
	if pooled { // other clients share the session
		s.options = postgresdb.Own
	}
	s.path, err = postgresdb.FirstPath(ctx, conn)
	return err
}

// Lost returns a channel that is closed when another process may hold the consumer. It is nil
// before Claim and after Close.
func (s *Session) Lost() <-chan struct{} {
	if s.lock == nil {
		return nil
	}
	return s.lock.Lost()
}

// ShareLock calls use with a descriptor. A process that inherits the descriptor holds the
// consumer's lock as long as it keeps it open, even after this process has ended. Close releases
// the lock at once. ShareLock returns ErrLost if there is no lock.
func (s *Session) ShareLock(use func(fd uintptr) error) error {
	if s.lock == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	return s.lock.Share(use)
}

// Close releases the consumer, and rolls back a dry run.
func (s *Session) Close() {
	if s.rehearsal != nil {
		_ = s.rehearsal.Rollback(context.Background())
		s.rehearsal = nil
	}
	if s.lock != nil {
		s.lock.Release()
		s.lock = nil
	}
	s.dropConn()
}

// dropConn closes the connection. This also ends settings that users' SQL has made for longer
// than its transaction.
func (s *Session) dropConn() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Conn().Close(ctx)
	s.conn.Release()
	s.conn = nil
}

// renew replaces the connection.
func (s *Session) renew(ctx context.Context) (err error) {
	s.dropConn()
	s.conn, err = s.pool.Acquire(ctx)
	s.used = time.Now()
	return err
}

// idleLimit is how long a connection may be idle before refresh pings it.
const idleLimit = time.Second

// pingLimit is the timeout of that ping.
const pingLimit = 5 * time.Second

// refresh replaces the connection if it was ended while it was idle, for example by
// idle_session_timeout or a firewall. Nothing is lost with it: the lock has a connection of its
// own.
func (s *Session) refresh(ctx context.Context) error {
	if time.Since(s.used) < idleLimit {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	err := s.conn.Ping(limited)
	if err == nil {
		return nil
	}
	postgresdb.Suspect(s.pool, err)
	return s.renew(ctx)
}

// stillHolds returns ErrMoved if another process has claimed the consumer since. It locks the
// consumer, so that no other process can claim it before the transaction ends.
func (s *Session) stillHolds(ctx context.Context, tx pgx.Tx, consumer string) error {
	tag, err := tx.Exec(ctx, "SELECT FROM eventfeed_seed.holders WHERE consumer = $1 AND holder = $2 FOR SHARE", consumer, s.holder)
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("consumer %s: %w", consumer, checkpoint.ErrMoved)
	}
	return err
}

// applyUserSettings gives the transaction the settings for users' SQL, which also apply to
// triggers that run at its commit. Own statements after it must qualify every name with its
// schema.
func (s *Session) applyUserSettings(ctx context.Context, tx pgx.Tx) error {
	return postgresdb.Theirs(ctx, tx, s.path)
}

// Do runs do in a transaction of the consumer's connection, between Claim and Close; in a dry
// run in a savepoint of its transaction.
func (s *Session) Do(ctx context.Context, do func(pgx.Tx) error) error {
	if s.conn == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	if s.dryRun {
		defer s.step.Watch(ctx, s.conn.Conn())()
		return s.rehearse(ctx, do)
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	defer s.step.Watch(ctx, s.conn.Conn())()
	defer func() { s.used = time.Now() }()
	return pgx.BeginTxFunc(ctx, s.conn, s.step.Options(s.options), do)
}

// rehearse runs do in a savepoint of a transaction that Close rolls back.
func (s *Session) rehearse(ctx context.Context, do func(pgx.Tx) error) (err error) {
	s.rehearses.Lock()
	defer s.rehearses.Unlock()
	if s.conn == nil {
		return checkpoint.ErrLost
	}
	if s.rehearsal == nil {
		if s.rehearsal, err = s.conn.BeginTx(ctx, s.step.Options(postgresdb.Own)); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, s.rehearsal, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, postgresdb.Pin); err != nil { // an earlier do may have applied user settings
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		check, err := checkDeferred(ctx, tx)
		if err == nil && check != "" {
			_, err = tx.Exec(ctx, check) // checks deferred constraints, as a commit would
		}
		return err
	})
}

// Diagnose classifies an error. It drops the pool's connections if the error shows that the
// server is unreachable, or is not the primary any more.
func (s *Session) Diagnose(err error) checkpoint.Trouble {
	postgresdb.Suspect(s.pool, err)
	switch {
	case errors.Is(err, checkpoint.ErrLost) || explainpostgres.IsAway(err) || explainpostgres.IsDown(err) && explainpostgres.Transient(err):
		return checkpoint.Away
	case explainpostgres.Transient(err):
		return checkpoint.Refused
	case s.conn != nil && s.conn.Conn().IsClosed():
		return checkpoint.Away
	default:
		return checkpoint.Permanent
	}
}
