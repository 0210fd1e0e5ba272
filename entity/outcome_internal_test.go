package entity

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// A connection that breaks at the commit leaves open whether it was done. It is neither
// done twice nor lost.
func TestUpdateFindsOutWhetherItsCommitWasDone(t *testing.T) {
	t.Parallel()
	for name, breakAt := range map[string]struct {
		commit  bool // before the connection breaks
		decides int
	}{
		"after the commit":  {true, 1},
		"before the commit": {false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testdb.Postgres(t)
			_, err := storetest.Open(t, url).Create(t.Context(), store.Feed{Name: "f", Entities: true})
			must.OK(t, err)
			pool, err := pgxpool.New(t.Context(), url)
			must.OK(t, err)
			defer pool.Close()
			db := Pgx(pool)
			begin, broken := db.begin, false
			db.begin = func(ctx context.Context) (*transaction, error) {
				tx, err := begin(ctx)
				if err != nil || broken {
					return tx, err
				}
				commit := tx.commit
				tx.commit = func(ctx context.Context) error {
					broken = true
					if breakAt.commit {
						must.OK(t, commit(ctx))
					}
					return io.ErrUnexpectedEOF
				}
				return tx, nil
			}
			r := &Repository[int]{Feed: "f", Apply: func(n int, _ event.Event) (int, error) { return n + 1, nil }}
			decides := 0
			after, err := r.Update(t.Context(), db, "s", func(context.Context, Tx, int) ([]event.Event, error) {
				decides++
				return []event.Event{{Type: "T"}}, nil
			})
			must.OK(t, err)
			again, err := r.Load(t.Context(), db, "s")
			must.OK(t, err)
			if decides != breakAt.decides || after.Version != 1 || again.Version != 1 || again.State != 1 {
				t.Errorf("decided %d times, at version %d, and %+v later", decides, after.Version, again)
			}
		})
	}
}

func TestCommitWithoutAppendsWhoseOutcomeIsUnknownSaysSo(t *testing.T) {
	t.Parallel()
	err := findOut(t.Context(), DB{}, nil, io.ErrUnexpectedEOF)
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// PostgreSQL rolls back what a statement has broken, whoever asks it to commit.
func TestCommitOfABrokenTransactionIsNoUnknownOutcome(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t))
	must.OK(t, err)
	defer pool.Close()
	tries := 0
	err = Retry(t.Context(), Pgx(pool), func(ctx context.Context, tx Tx) error {
		tries++
		_, _ = tx.Pgx().Exec(ctx, "SELECT 1/0") // and forgets the error
		return nil
	})
	if tries != 1 || !errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, ErrUnknown) {
		t.Errorf("%d tries: %v", tries, err)
	}
}

// A load on a connection must not commit the transaction that is open on it.
func TestLoadKeepsNoSnapshotInTheCallersTransaction(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	_, err := storetest.Open(t, url).Create(t.Context(), store.Feed{Name: "f", Entities: true})
	must.OK(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	r := &Repository[int]{Feed: "f", Apply: func(n int, _ event.Event) (int, error) { return n + 1, nil }, SnapshotEvery: 1}
	tx, err := conn.Begin(t.Context())
	must.OK(t, err)
	_, err = r.Append(t.Context(), PgxTx(tx), Entity[int]{Subject: "s"}, event.Event{Type: "T"})
	must.OK(t, err)
	if e, err := r.Load(t.Context(), Pgx(conn), "s"); err != nil || e.Version != 1 {
		t.Errorf("in the transaction: %+v, %v", e, err)
	}
	must.OK(t, tx.Rollback(t.Context()))
	if e, err := r.Load(t.Context(), Pgx(conn), "s"); err != nil || e.Version != 0 {
		t.Errorf("after its rollback: %+v, %v", e, err)
	}
}
