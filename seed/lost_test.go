package seed_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestFollowerTakesItsConsumerBackAtOnce when its lock was lost, although there is
// nothing to apply: or any other seeder could take it.
func TestFollowerTakesItsConsumerBackAtOnce(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	pool := newPool(t)
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox(), PollInterval: time.Minute})
	f.wait(t, 15)
	other, err := pgxpool.New(t.Context(), pool.Config().ConnString())
	must.OK(t, err)
	defer other.Close()
	var before string
	must.OK(t, other.QueryRow(t.Context(), "SELECT holder FROM eventfeed_seed.checkpoints").Scan(&before))
	_, err = other.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	must.OK(t, err)
	eventually(t, func() bool {
		var now string
		return other.QueryRow(t.Context(), "SELECT holder FROM eventfeed_seed.checkpoints").Scan(&now) == nil && now != before
	})
	s.add(t, 16, 17)
	f.wait(t, 17)
	must.OK(t, f.stop())
}
