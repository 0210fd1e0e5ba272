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

// What stands before a consumer's name in the name of its lock, and of its step.
const (
	lockPrefix = "eventfeed consumer "
	stepPrefix = "eventfeed step "
)

// claimLimit is how long it may take to claim a consumer, all in all: nothing of it
// is users' work.
const claimLimit = time.Minute

// claimInterval is how often Claim looks whether a step goes on.
const claimInterval = 100 * time.Millisecond

// Session keeps checkpoints in the schema eventfeed_seed of a PostgreSQL target. It is a
// checkpoint.Backend, and can do all that a backend may.
type Session struct {
	pool     *pgxpool.Pool
	sink     Sink // nil where it is external, or nothing is applied
	dryRun   bool // one transaction is made of all, which is rolled back in the end
	fresh    bool // see Target
	consumer string

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

// blocked names what another session has locked, if that is why a statement failed.
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
	// Who held the consumer before may still be in a step, although its lock is gone.
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

// learnSession finds out what the connection's session is like.
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
	if pooled { // whose session is others', too
		s.options = postgresdb.Own
	}
	s.path, err = postgresdb.FirstPath(ctx, conn)
	return err
}

// Lost returns a channel that is closed when someone else may hold the consumer,
// between Claim and Close; it is nil otherwise.
func (s *Session) Lost() <-chan struct{} {
	if s.lock == nil {
		return nil
	}
	return s.lock.Lost()
}

// ShareLock calls use with a descriptor that keeps the consumer's lock for whoever
// inherits it, as long as that holds it open, also if this process ends first.
// Close ends the lock at once. It returns ErrLost without a lock.
func (s *Session) ShareLock(use func(fd uintptr) error) error {
	if s.lock == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	return s.lock.Share(use)
}

// Close gives the consumer back, and undoes what a dry run has done.
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

// dropConn closes the connection. What a user's SQL may have set for longer than
// its transaction ends with it.
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

// renew takes another connection.
func (s *Session) renew(ctx context.Context) (err error) {
	s.dropConn()
	s.conn, err = s.pool.Acquire(ctx)
	s.used = time.Now()
	return err
}

// idleLimit is for how long a connection is trusted to be alive without a question.
const idleLimit = time.Second

// pingLimit is how long the answer to that question may take.
const pingLimit = 5 * time.Second

// refresh takes another connection if this one was ended while it was idle, by
// idle_session_timeout or a firewall. It held nothing: the lock has a connection of
// its own.
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

// stillHolds returns ErrMoved if someone else has claimed the consumer since, and
// lets nobody claim it before the transaction ends.
func (s *Session) stillHolds(ctx context.Context, tx pgx.Tx, consumer string) error {
	tag, err := tx.Exec(ctx, "SELECT FROM eventfeed_seed.holders WHERE consumer = $1 AND holder = $2 FOR SHARE", consumer, s.holder)
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("consumer %s: %w", consumer, checkpoint.ErrMoved)
	}
	return err
}

// theirs makes the settings of a transaction those of users' SQL, and of the
// triggers that run at its commit. Our own statements name everything after it
// with its schema.
func (s *Session) applyUserSettings(ctx context.Context, tx pgx.Tx) error {
	return postgresdb.Theirs(ctx, tx, s.path)
}

// Do runs do in a transaction of the consumer's connection, from Claim to
// Close; while rehearsing in a savepoint of the one that is rolled back.
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

// Diagnose says what an error means, and drops the connections of the pool that it shows
// to lead to a server that is away, or to one that is not the primary any more.
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
