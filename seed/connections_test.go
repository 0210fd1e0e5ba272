package seed_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// Two connections are enough to migrate, to run and to go back; one is refused
// in place of waiting for ever.
func TestTwoConnectionsAreEnough(t *testing.T) {
	t.Parallel()
	s := newSource(t, 25)
	for connections := int32(1); connections <= 2; connections++ {
		config, err := pgxpool.ParseConfig(testdb.Postgres(t))
		must.OK(t, err)
		config.MaxConns = connections
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		must.OK(t, err)
		t.Cleanup(pool.Close)
		from := seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox()}
		_, err = run(t, from)
		if connections == 1 {
			if err == nil || !strings.Contains(err.Error(), "set pool_max_conns") {
				t.Errorf("with one connection: %v", err)
			}
			continue
		}
		must.OK(t, err)
		must.OK(t, seed.Rewind(t.Context(), from, 5, nil))
		must.OK(t, reset(t.Context(), from, nil))
		_, err = run(t, from)
		must.OK(t, err)
	}
}
