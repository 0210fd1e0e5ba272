package entity_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

// account is the entity of these tests: what came in and went out, by reason.
type account struct {
	Balance int            `json:"balance"`
	Reasons map[string]int `json:"reasons"`
}

type moved struct {
	Amount int    `json:"amount"`
	Reason string `json:"reason"`
}

// applied counts the events that were folded.
func accounts(snapshotEvery int, applied *atomic.Int64) *entity.Repository[account] {
	return &entity.Repository[account]{
		Feed: "accounts",
		Apply: func(a account, e event.Event) (account, error) {
			if applied != nil {
				applied.Add(1)
			}
			var m moved
			if err := json.Unmarshal(e.Data, &m); err != nil {
				return a, err
			}
			a.Balance += m.Amount
			if a.Reasons == nil {
				a.Reasons = make(map[string]int)
			}
			a.Reasons[m.Reason] += m.Amount
			return a, nil
		},
		SnapshotEvery: snapshotEvery,
	}
}

func move(amount int, reason string) event.Event {
	e, err := event.NewJSON("Moved", "", moved{amount, reason})
	if err != nil {
		panic(err)
	}
	return e
}

// eachDriver runs a test on a feed accounts with entities, through each way to a database.
func eachDriver(t *testing.T, test func(t *testing.T, l *store.Log, db entity.DB)) {
	t.Helper()
	t.Parallel()
	onPostgres := func(driver string) func(t *testing.T) (string, entity.DB) {
		return func(t *testing.T) (string, entity.DB) {
			url := testdb.Postgres(t)
			db, err := sql.Open(driver, url)
			must.OK(t, err)
			t.Cleanup(func() { _ = db.Close() })
			return url, entity.SQL(db)
		}
	}
	for name, open := range map[string]func(t *testing.T) (string, entity.DB){
		"pgx": func(t *testing.T) (string, entity.DB) {
			url := testdb.Postgres(t)
			pool, err := pgxpool.New(t.Context(), url)
			must.OK(t, err)
			t.Cleanup(pool.Close)
			return url, entity.Pgx(pool)
		},
		"database sql with pgx":    onPostgres("pgx"),
		"database sql with lib pq": onPostgres("postgres"),
		"SQLite": func(t *testing.T) (string, entity.DB) {
			url := testdb.SQLite(t)
			db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, sqlitedb.Scheme)+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
			must.OK(t, err)
			t.Cleanup(func() { _ = db.Close() })
			return url, entity.SQL(db)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, db := open(t)
			l := storetest.Open(t, url)
			_, err := l.Create(t.Context(), store.Feed{Name: "accounts", Entities: true})
			must.OK(t, err)
			test(t, l, db)
			storetest.Drain(t, l, "accounts")
			storetest.Verify(t, l, "accounts")
		})
	}
}

// deposit moves an amount to an account.
func deposit(t *testing.T, r *entity.Repository[account], db entity.DB, subject string, amount int) entity.Entity[account] {
	t.Helper()
	e, err := r.Update(t.Context(), db, subject, func(context.Context, entity.Tx, account) ([]event.Event, error) {
		return []event.Event{move(amount, "deposit")}, nil
	})
	must.OK(t, err)
	return e
}

func TestLoadGivesTheStateOfAllEvents(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(0, nil)
		empty, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		if empty.Version != 0 || empty.State.Balance != 0 || empty.Subject != "a-1" {
			t.Errorf("an entity without events: %+v", empty)
		}
		deposit(t, r, db, "a-1", 5)
		deposit(t, r, db, "a-2", 70)
		updated := deposit(t, r, db, "a-1", 6)
		loaded, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		for _, e := range []entity.Entity[account]{updated, loaded} {
			if e.Version != 2 || e.State.Balance != 11 || e.State.Reasons["deposit"] != 11 {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestLoadsMoreEventsThanOnePage(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		var events []event.Event
		for range 2500 {
			e := move(1, "deposit")
			e.Subject = "a-1"
			events = append(events, e)
		}
		storetest.Append(t, l, "accounts", events)
		for _, snapshotEvery := range []int{0, 100, 100} {
			e, err := accounts(snapshotEvery, nil).Load(t.Context(), db, "a-1")
			must.OK(t, err)
			if e.Version != 2500 || e.State.Balance != 2500 {
				t.Errorf("version %d, balance %d", e.Version, e.State.Balance)
			}
		}
	})
}

func TestUpdateDecidesAgainAfterALostRace(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(2, nil)
		deposit(t, r, db, "a-1", 5)
		// Outside of Update's transaction, so that it is not the one that holds the lock.
		stale, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		deposit(t, r, db, "a-1", 6)
		decided := 0
		err = entity.Retry(t.Context(), db, func(ctx context.Context, tx entity.Tx) error {
			decided++
			e := stale
			if decided > 1 {
				if e, err = r.Load(ctx, tx.DB(), "a-1"); err != nil {
					return err
				}
			}
			_, err := r.Append(ctx, tx, e, move(-e.State.Balance, "close"))
			return err
		})
		must.OK(t, err)
		after, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		if decided != 2 || after.State.Balance != 0 || after.Version != 3 {
			t.Errorf("decided %d times: %+v", decided, after)
		}
	})
}

func TestAppendToAStaleEntityIsAVersionConflict(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(0, nil)
		stale := deposit(t, r, db, "a-1", 5)
		deposit(t, r, db, "a-1", 6)
		for range 2 { // it never succeeds later
			err := once(t, db, func(ctx context.Context, tx entity.Tx) error {
				_, err := r.Append(ctx, tx, stale, move(7, "deposit"))
				return err
			})
			conflict, is := errors.AsType[*outbox.VersionError](err)
			if !errors.Is(err, entity.ErrVersion) || !is || conflict.Subject != "a-1" || conflict.Expected != 1 || conflict.Version != 2 {
				t.Fatalf("%v", err)
			}
		}
	})
}

// once does fn in a transaction, and not again.
func once(t *testing.T, db entity.DB, fn func(context.Context, entity.Tx) error) error {
	t.Helper()
	var err error
	retried := entity.Retry(t.Context(), db, func(ctx context.Context, tx entity.Tx) error {
		if err = fn(ctx, tx); err != nil {
			return errors.New("do not retry")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return retried
}

func TestRepeatedAppendIsNoVersionConflict(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(0, nil)
		before := deposit(t, r, db, "a-1", 5)
		e := move(7, "deposit")
		e.ID = "payment-7"
		for n := range 3 {
			must.OK(t, once(t, db, func(ctx context.Context, tx entity.Tx) error {
				after, err := r.Append(ctx, tx, before, e)
				if n == 0 && (after.Version != 2 || after.State.Balance != 12) {
					t.Errorf("the first append: %+v", after)
				}
				if n > 0 && after.Version != before.Version {
					t.Errorf("a repeated append: %+v", after)
				}
				return err
			}))
		}
		if after, err := r.Load(t.Context(), db, "a-1"); err != nil || after.Version != 2 {
			t.Errorf("%+v, %v", after, err)
		}
	})
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(5, nil)
		const writers, each = 6, 8
		var group errgroup.Group
		for range writers {
			group.Go(func() error {
				for range each {
					_, err := r.Update(t.Context(), db, "a-1", func(_ context.Context, _ entity.Tx, a account) ([]event.Event, error) {
						return []event.Event{move(1, fmt.Sprint(a.Balance))}, nil
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		must.OK(t, group.Wait())
		e, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		if e.Version != writers*each || len(e.State.Reasons) != writers*each {
			t.Errorf("version %d; %d updates saw a balance of their own", e.Version, len(e.State.Reasons))
		}
	})
}

// Transfers in opposite directions take their locks in opposite orders.
func TestTransfersKeepTheSum(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(3, nil)
		deposit(t, r, db, "a", 100)
		deposit(t, r, db, "b", 100)
		var group errgroup.Group
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}, {"a", "b"}, {"b", "a"}} {
			group.Go(func() error {
				for n := range 5 {
					err := entity.Retry(t.Context(), db, func(ctx context.Context, tx entity.Tx) error {
						for i, subject := range pair {
							e, err := r.Load(ctx, tx.DB(), subject)
							if err != nil {
								return err
							}
							if _, err := r.Append(ctx, tx, e, move((2*i-1)*(n+1), "transfer")); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		must.OK(t, group.Wait())
		sum := 0
		for _, subject := range []string{"a", "b"} {
			e, err := r.Load(t.Context(), db, subject)
			must.OK(t, err)
			sum += e.State.Balance
			if e.Version != 21 {
				t.Errorf("%s is at version %d", subject, e.Version)
			}
		}
		if sum != 200 {
			t.Errorf("the sum is %d", sum)
		}
	})
}

func TestSnapshotsSpareEventsAndNothingElse(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		var applied atomic.Int64
		r := accounts(4, &applied)
		for n := range 10 {
			deposit(t, r, db, "a-1", n)
		}
		load := func(r *entity.Repository[account]) (entity.Entity[account], int64) {
			applied.Store(0)
			e, err := r.Load(t.Context(), db, "a-1")
			must.OK(t, err)
			return e, applied.Load()
		}
		with, few := load(r)
		without, all := load(accounts(0, &applied))
		if few != 2 || all != 10 || with.State.Balance != 45 || without.State.Balance != 45 || with.Version != 10 {
			t.Errorf("%d events and %+v with a snapshot, %d and %+v without", few, with, all, without)
		}
		raised := accounts(4, &applied)
		raised.Revision = 1
		if e, n := load(raised); n != 10 || e.State.Balance != 45 {
			t.Errorf("another revision: %d events, %+v", n, e)
		}
		if _, n := load(raised); n != 0 {
			t.Errorf("the second load of another revision folds %d events", n)
		}
		if _, n := load(r); n != 2 {
			t.Errorf("the first revision has lost its snapshot: %d events", n)
		}
		at, err := r.LoadVersion(t.Context(), db, "a-1", 9)
		must.OK(t, err)
		if at.State.Balance != 36 || at.Version != 9 {
			t.Errorf("at version 9: %+v", at)
		}
		if at, err = r.LoadVersion(t.Context(), db, "a-1", 3); err != nil || at.State.Balance != 3 {
			t.Errorf("at version 3: %+v, %v", at, err)
		}
		if _, err := r.LoadVersion(t.Context(), db, "a-1", 11); err == nil || !strings.Contains(err.Error(), "version 10") {
			t.Errorf("a version that is not there: %v", err)
		}
		for subject, err := range r.Check(t.Context(), db) {
			t.Errorf("check %s: %v", subject, err)
		}
	})
}

// wide has another shape than account, and the same name.
func TestChangedStateFoldsAgain(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(2, nil)
		for range 4 {
			deposit(t, r, db, "a-1", 1)
		}
		type wide struct {
			Balance int64 `json:"balance"`
			Count   int   `json:"count"`
		}
		changed := &entity.Repository[wide]{Feed: "accounts", Name: "account", SnapshotEvery: 2, Apply: func(w wide, _ event.Event) (wide, error) {
			w.Count++
			return w, nil
		}}
		for range 2 {
			e, err := changed.Load(t.Context(), db, "a-1")
			must.OK(t, err)
			if e.State.Count != 4 {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestLoadAsOfFoldsWhatWasKnownThen(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		r := accounts(1, nil)
		day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }
		var events []event.Event
		for n, at := range []time.Time{day(1), day(3).Add(500 * time.Millisecond), day(2), day(3), day(5)} {
			e := move(1<<n, "deposit")
			e.Subject, e.Time = "a-1", at
			events = append(events, e)
		}
		storetest.Append(t, l, "accounts", events)
		_, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		for at, want := range map[time.Time]int{day(1).Add(-1): 0, day(1): 1, day(2): 5, day(3): 13, day(4): 15, day(9): 31} {
			e, err := r.LoadAsOf(t.Context(), db, "a-1", at)
			must.OK(t, err)
			if e.State.Balance != want {
				t.Errorf("as of %v: %d, want %d", at, e.State.Balance, want)
			}
			err = once(t, db, func(ctx context.Context, tx entity.Tx) error {
				_, err := r.Append(ctx, tx, e, move(1, "deposit"))
				return err
			})
			if !errors.Is(err, entity.ErrPast) {
				t.Errorf("an append to it: %v", err)
			}
		}
	})
}

func TestDecideMayChangeItsState(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(1, nil)
		for range 3 {
			_, err := r.Update(t.Context(), db, "a-1", func(_ context.Context, _ entity.Tx, a account) ([]event.Event, error) {
				if a.Reasons != nil {
					a.Reasons["deposit"] = 1000
				}
				return []event.Event{move(1, "deposit")}, nil
			})
			must.OK(t, err)
		}
		e, err := r.Load(t.Context(), db, "a-1")
		must.OK(t, err)
		if e.State.Reasons["deposit"] != 3 {
			t.Errorf("%+v", e)
		}
	})
}

func TestDecisionThatFailsLeavesNothing(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		r := accounts(0, nil)
		deposit(t, r, db, "a-1", 5)
		errBroke := errors.New("not that much")
		_, err := r.Update(t.Context(), db, "a-1", func(ctx context.Context, tx entity.Tx, a account) ([]event.Event, error) {
			e, err := r.Load(ctx, tx.DB(), "a-2")
			if err != nil {
				return nil, err
			}
			if _, err := r.Append(ctx, tx, e, move(9, "deposit")); err != nil {
				return nil, err
			}
			return nil, errBroke
		})
		if !errors.Is(err, errBroke) {
			t.Errorf("%v", err)
		}
		if e, err := r.Load(t.Context(), db, "a-2"); err != nil || e.Version != 0 {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestCheckFindsSnapshotsOfAnImpureApply(t *testing.T) {
	eachDriver(t, func(t *testing.T, _ *store.Log, db entity.DB) {
		var calls atomic.Int64
		r := accounts(2, nil)
		pure := r.Apply
		r.Apply = func(a account, e event.Event) (account, error) {
			a, err := pure(a, e)
			a.Balance += int(calls.Add(1)) // as a clock would
			return a, err
		}
		for range 2 {
			deposit(t, r, db, "a-1", 1)
		}
		deposit(t, r, db, "a-2", 1) // without a snapshot
		found := maps.Collect(r.Check(t.Context(), db))
		if !errors.Is(found["a-1"], entity.ErrImpure) || len(found) != 1 {
			t.Errorf("%v", found)
		}
		r.Apply = pure // it was mended, and Revision not raised
		for subject, err := range r.Check(t.Context(), db) {
			if subject != "a-1" || !errors.Is(err, entity.ErrSnapshot) {
				t.Errorf("%s: %v", subject, err)
			}
			found = nil
		}
		if found != nil {
			t.Error("a snapshot that its events do not give is not found")
		}
	})
}

// The slower one of two that insert the same row of their own table waits for the faster
// one there, before its append.
func TestRaceForARowOfAnOwnTableIsDecidedAgain(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	_, err := storetest.Open(t, url).Create(t.Context(), store.Feed{Name: "accounts", Entities: true})
	must.OK(t, err)
	pool, err := pgxpool.New(t.Context(), url)
	must.OK(t, err)
	defer pool.Close()
	_, err = pool.Exec(t.Context(), "CREATE TABLE holders (account text PRIMARY KEY, holder text NOT NULL CHECK (holder <> ''))")
	must.OK(t, err)
	r, errTaken := accounts(0, nil), errors.New("it has a holder")
	var loaded sync.WaitGroup // both have decided on the same version
	loaded.Add(2)
	var once [2]sync.Once
	open := func(n int, holder string) error {
		_, err := r.Update(t.Context(), entity.Pgx(pool), "a-1", func(ctx context.Context, tx entity.Tx, a account) ([]event.Event, error) {
			once[n].Do(func() { loaded.Done(); loaded.Wait() })
			if a.Reasons != nil {
				return nil, errTaken
			}
			_, err := tx.Pgx().Exec(ctx, "INSERT INTO holders VALUES ('a-1', $1)", holder)
			return []event.Event{move(1, "opened")}, err
		})
		return err
	}
	errs := make(chan error, 2)
	go func() { errs <- open(0, "anna") }()
	go func() { errs <- open(1, "bob") }()
	first, second := <-errs, <-errs
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, errTaken) {
		t.Errorf("%v, %v", first, second)
	}
	_, err = r.Update(t.Context(), entity.Pgx(pool), "a-2", func(ctx context.Context, tx entity.Tx, _ account) ([]event.Event, error) {
		_, err := tx.Pgx().Exec(ctx, "INSERT INTO holders VALUES ('a-2', '')")
		return []event.Event{move(1, "opened")}, err
	})
	if err == nil || !strings.Contains(err.Error(), "holders_holder_check") {
		t.Errorf("a row that the table refuses of everyone: %v", err)
	}
}

// A server recovers from panics, and goes on with the same pool.
func TestPanicInApplyGivesItsConnectionBack(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		e := move(1, "deposit")
		e.Subject = "a-1"
		storetest.Append(t, l, "accounts", []event.Event{e})
		r := accounts(0, nil)
		pure := r.Apply
		r.Apply = func(account, event.Event) (account, error) { panic("nil map") }
		for range 30 { // more than any pool has
			func() {
				defer func() { _ = recover() }()
				_, _ = r.Load(t.Context(), db, "a-1")
			}()
			func() {
				defer func() { _ = recover() }()
				_ = deposit(t, r, db, "a-1", 1)
			}()
		}
		r.Apply = pure
		if e := deposit(t, r, db, "a-1", 1); e.Version != 2 {
			t.Errorf("%+v", e)
		}
	})
}

func TestUpcastGivesApplyTodaysShapes(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		old := event.Event{Type: "MovedTwice", Subject: "a-1", Data: []byte(`[3,4]`)}
		storetest.Append(t, l, "accounts", []event.Event{old, {Type: "Renamed", Subject: "a-1"}})
		r := accounts(0, nil)
		r.Upcast = func(e event.Event) ([]event.Event, error) {
			switch e.Type {
			case "Renamed":
				return nil, nil
			case "MovedTwice":
				var amounts []int
				err := json.Unmarshal(e.Data, &amounts)
				var events []event.Event
				for _, amount := range amounts {
					events = append(events, move(amount, "deposit"))
				}
				return events, err
			default:
				return []event.Event{e}, nil
			}
		}
		e := deposit(t, r, db, "a-1", 5)
		if e.Version != 3 || e.State.Balance != 12 {
			t.Errorf("%+v", e)
		}
	})
}

func TestErrorsNameWhatIsMissing(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		storetest.Create(t, l, "plain", 0)
		r := accounts(0, nil)
		r.Feed = "plain"
		if _, err := r.Load(t.Context(), db, "a-1"); !errors.Is(err, outbox.ErrNoEntities) {
			t.Errorf("a feed without entities: %v", err)
		}
		r.Feed = "none"
		if _, err := r.Load(t.Context(), db, "a-1"); !errors.Is(err, outbox.ErrNoFeed) {
			t.Errorf("no feed: %v", err)
		}
		r = accounts(0, nil)
		err := once(t, db, func(ctx context.Context, tx entity.Tx) error {
			e, err := r.Load(ctx, tx.DB(), "a-1")
			if err != nil {
				return err
			}
			other := move(1, "deposit")
			other.Subject = "a-2"
			_, err = r.Append(ctx, tx, e, other)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), `"a-2"`) {
			t.Errorf("an event of another entity: %v", err)
		}
	})
}

func TestWhoCausedAnEventIsRecorded(t *testing.T) {
	eachDriver(t, func(t *testing.T, l *store.Log, db entity.DB) {
		r := accounts(0, nil)
		ctx := outbox.WithAuth(t.Context(), outbox.Auth{Type: "user", ID: "anna"})
		e := move(1, "deposit")
		e.ID = "once"
		for _, ctx := range []context.Context{ctx, outbox.WithAuth(ctx, outbox.Auth{ID: "bob"}), t.Context()} { // the first one counts
			must.OK(t, entity.Retry(ctx, db, func(ctx context.Context, tx entity.Tx) error {
				_, err := r.Append(ctx, tx, entity.Entity[account]{Subject: "a-1"}, e)
				return err
			}))
		}
		deposit(t, r, db, "a-2", 1)
		storetest.Drain(t, l, "accounts")
		events := storetest.Read(t, l, "accounts")
		if len(events) != 2 || events[0].Extensions["authid"] != "anna" || events[0].Extensions["authtype"] != "user" || events[1].Extensions != nil {
			t.Errorf("%+v", events)
		}
	})
}

// A snapshot that cannot be kept costs time and nothing else.
func TestSnapshotThatIsNotKeptIsOneWarning(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	_, err := l.Create(t.Context(), store.Feed{Name: "accounts", Entities: true})
	must.OK(t, err)
	pool, err := pgxpool.New(t.Context(), url)
	must.OK(t, err)
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	must.OK(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), "LOCK TABLE eventfeed.snapshots IN SHARE MODE")
	must.OK(t, err)

	var text lockedBuffer
	r := accounts(1, nil)
	r.Logger = slog.New(slog.NewTextHandler(&text, nil))
	for n := range 3 {
		if e := deposit(t, r, entity.Pgx(pool), "a-1", 1); e.Version != int64(n+1) || e.State.Balance != n+1 {
			t.Errorf("%+v", e)
		}
	}
	if n := strings.Count(text.String(), "snapshot not kept"); n != 1 {
		t.Errorf("%d warnings: %s", n, text.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestFoldFindsWhatIsNotPure(t *testing.T) {
	t.Parallel()
	r := accounts(0, nil)
	events := []event.Event{move(1, "x"), move(2, "y")}
	state, err := r.Fold(account{Balance: 4}, events...)
	must.OK(t, err)
	if state.Balance != 7 || state.Reasons["y"] != 2 {
		t.Errorf("%+v", state)
	}
	n := 0
	r.Apply = func(a account, _ event.Event) (account, error) {
		n++
		a.Balance = n
		return a, nil
	}
	if _, err := r.Fold(account{}, events...); !errors.Is(err, entity.ErrImpure) {
		t.Errorf("%v", err)
	}
	r.Apply = func(a account, _ event.Event) (account, error) { return a, errors.New("unknown type") }
	if _, err := r.Fold(account{}, events...); err == nil || !strings.Contains(err.Error(), "event 1, of type Moved: unknown type") {
		t.Errorf("%v", err)
	}
}
