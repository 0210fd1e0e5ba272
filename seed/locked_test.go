package seed_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestCheckpointThatAnotherSessionHasLockedEndsTheStep with an error that names it,
// while a handler waits for locks as long as it takes.
func TestCheckpointThatAnotherSessionHasLockedEndsTheStep(t *testing.T) {
	t.Parallel()
	s, pool := newSource(t, 95), newPool(t)
	applied, locked := make(chan struct{}), make(chan error, 1)
	var other pgx.Tx
	go func() {
		<-applied
		var err error
		if other, err = pool.Begin(t.Context()); err == nil {
			_, err = other.Exec(t.Context(), "SELECT FROM eventfeed_seed.checkpoints FOR UPDATE")
		}
		locked <- err
	}()
	hold := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/2") {
			if err := <-locked; err != nil {
				t.Error(err)
			}
			locked <- nil
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&hold)
	timeouts, first := map[string]bool{}, true
	handle := func(ctx context.Context, tx pgx.Tx, _ seed.Batch) error {
		var timeout string
		err := tx.QueryRow(ctx, "SHOW lock_timeout").Scan(&timeout)
		timeouts[timeout] = true
		if first {
			first = false
			close(applied)
		}
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle), Patience: 1})
		ended <- err
	}()
	select {
	case err := <-ended:
		if explainpostgres.Code(err) != explainpostgres.LockNotAvailable || !strings.Contains(err.Error(), "another session has locked its row in eventfeed_seed.checkpoints") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("a checkpoint that another session has locked is waited for")
	}
	must.OK(t, other.Rollback(context.Background()))
	if len(timeouts) != 1 || !timeouts["0"] {
		t.Errorf("a handler's lock_timeout is %v", timeouts)
	}
}
