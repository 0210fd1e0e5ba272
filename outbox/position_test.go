package outbox_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

func TestPositionIsZeroUntilTheEventHasOne(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	pool, err := pgxpool.New(t.Context(), url)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	check := func(id string, want int64) {
		t.Helper()
		if position, err := outbox.Position(t.Context(), pool, "f", "/test", id); err != nil || position != want {
			t.Errorf("event %s: position %d, want %d: %v", id, position, want, err)
		}
	}
	check("3", 0)
	storetest.Drain(t, l, "f")
	check("3", 3)
	if _, err := outbox.Position(t.Context(), pool, "f", "/test", "4"); !errors.Is(err, outbox.ErrNoEvent) {
		t.Errorf("no such event: %v", err)
	}
}
