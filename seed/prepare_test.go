package seed_test

import (
	"fmt"
	"net/url"
	"testing"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestConnectionThatIsLostWhileATargetIsPreparedIsMadeAgain, wherever it is cut: when
// the server is looked at, while its tables are made, and in the run.
func TestConnectionThatIsLostWhileATargetIsPreparedIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t, 25)
	seedThrough := func(t *testing.T, at int64) (sent int64, err error) {
		t.Helper()
		u, err := url.Parse(testdb.Postgres(t))
		must.OK(t, err)
		cut := testproxy.NewCut(t, u.Host, at)
		cut.Reset = at%2 == 0
		u.Host = cut.Address()
		pool, err := postgresdb.Open(t.Context(), u.String(), 4)
		must.OK(t, err)
		defer pool.Close()
		err = seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox()})
		return cut.Sent(), err
	}
	all, err := seedThrough(t, -1)
	must.OK(t, err)
	const cuts = 20
	for n := range int64(cuts) {
		at := n*all/cuts + n%7
		t.Run(fmt.Sprintf("behind byte %d of %d", at, all), func(t *testing.T) {
			t.Parallel()
			if _, err := seedThrough(t, at); err != nil {
				t.Error(err)
			}
		})
	}
}
