package seed_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestPatienceBeginsAnewWithProgress: a run that has been applying for longer
// than its patience still waits when the target goes away then.
func TestPatienceBeginsAnewWithProgress(t *testing.T) {
	t.Parallel()
	s := newSource(t, 95)
	applied := make(chan struct{})
	hold := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/2") {
			<-applied
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&hold)
	first, away := sync.OnceFunc(func() { close(applied) }), true
	handle := func(_ context.Context, _ pgx.Tx, b seed.Batch) error {
		first()
		if b.Events[0].Position > 1 && away {
			away = false
			return &pgconn.PgError{Code: "57P01"} // the server is shutting down
		}
		return nil
	}
	end, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(newPool(t)).Handle(handle), Patience: 1})
	must.OK(t, err)
	if away || end.Position != 95 {
		t.Errorf("ended at %d", end.Position)
	}
}
