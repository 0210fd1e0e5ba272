package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

// startPublisher runs sequencer and sealer until the end of the test.
func startPublisher(t *testing.T, l *store.Log) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- publish.Run(ctx, publish.Config{Log: l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	must.OK(t, err)
	config.MaxConns = 24
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// waitForPosition waits until a feed has reached a position.
func waitForPosition(t *testing.T, l *store.Log, name string, position int64, patience time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		f, err := l.Feed(t.Context(), name)
		must.OK(t, err)
		if f.Position >= position {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("feed %s is at position %d after %v, want %d", name, f.Position, patience, position)
		}
	}
}

// committed is what the writers know to be committed: per entity the ids in
// the order in which the entity's row was locked.
type committed struct {
	mu       sync.Mutex
	byEntity map[string][]string
	total    int64
}

// TestEveryCommittedEventIsInTheFeedOnceInTheOrderOfItsEntity is guarantee 1
// and 2: 16 writers on few entities, rollbacks at random, transactions held
// open for seconds, two servers that sequence side by side.
func TestEveryCommittedEventIsInTheFeedOnceInTheOrderOfItsEntity(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "entities", 50)
	startPublisher(t, l)
	startPublisher(t, storetest.Open(t, url))
	_, err := openPool(t, url).Exec(t.Context(), `
		CREATE TABLE entity (name text PRIMARY KEY, version int NOT NULL);
		INSERT INTO entity SELECT 'e' || n, 0 FROM generate_series(0, 39) n;
		GRANT SELECT, UPDATE ON entity TO `+testdb.Writer)
	must.OK(t, err)
	pool := openPool(t, testdb.As(url, testdb.Writer))

	log := &committed{byEntity: map[string][]string{}}
	group, ctx := errgroup.WithContext(t.Context())
	until := time.Now().Add(6 * time.Second)
	for writer := range 16 {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			for n := 0; time.Now().Before(until); n++ {
				if err := write(ctx, pool, log, random, fmt.Sprintf("%d-%d", writer, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must.OK(t, group.Wait())
	waitForPosition(t, l, "entities", log.total, 20*time.Second)
	storetest.Drain(t, l, "entities")
	if position, _ := storetest.Verify(t, l, "entities"); position != log.total {
		t.Errorf("feed ends at position %d, %d events were committed", position, log.total)
	}
	read := map[string][]string{}
	for _, e := range storetest.Read(t, l, "entities") {
		read[e.Subject] = append(read[e.Subject], e.ID)
	}
	for entity, want := range log.byEntity {
		if !slices.Equal(read[entity], want) {
			t.Errorf("%s: the feed has %v, committed were %v", entity, read[entity], want)
		}
	}
	t.Logf("%d events of %d entities", log.total, len(log.byEntity))
}

// write is one transaction of a service: lock an entity, append one to three
// events, sometimes wait, sometimes roll back.
func write(ctx context.Context, pool *pgxpool.Pool, log *committed, random *rand.Rand, name string) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	entity := fmt.Sprintf("e%d", random.IntN(40))
	if _, err := tx.Exec(ctx, "UPDATE entity SET version = version + 1 WHERE name = $1", entity); err != nil {
		return err
	}
	var events []event.Event
	for n := range 1 + random.IntN(3) {
		events = append(events, event.Event{ID: fmt.Sprintf("%s-%d", name, n), Type: "Changed", Subject: entity})
	}
	if _, err := outbox.Append(ctx, tx, "entities", events...); err != nil {
		return err
	}
	switch random.IntN(40) {
	case 0:
		time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
	case 1, 2, 3, 4, 5, 6:
		return tx.Rollback(ctx)
	}
	// Under the entity's row lock, so in the order of the commits.
	log.mu.Lock()
	defer log.mu.Unlock()
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	for _, e := range events {
		log.byEntity[entity] = append(log.byEntity[entity], e.ID)
	}
	log.total += int64(len(events))
	return nil
}

// TestLongTransactionDelaysOnlyItsOwnEvents is guarantee 3.
func TestLongTransactionDelaysOnlyItsOwnEvents(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	startPublisher(t, l)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	long, err := pool.Begin(t.Context())
	must.OK(t, err)
	defer func() { _ = long.Rollback(context.Background()) }()
	_, err = outbox.Append(t.Context(), long, "f", event.Event{ID: "long", Type: "T"})
	must.OK(t, err)

	for n := int64(1); n <= 50; n++ { // all while it is open
		must.OK(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := outbox.Append(t.Context(), tx, "f", event.Event{ID: fmt.Sprint(n), Type: "T"})
			return err
		}))
		waitForPosition(t, l, "f", n, time.Minute)
	}
	must.OK(t, long.Commit(t.Context()))
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	waitForPosition(t, l, "f", f.Position+1, time.Minute)
	events := storetest.Read(t, l, "f")
	if last := events[len(events)-1]; last.ID != "long" {
		t.Errorf("the long transaction's event is not the last one, %s is", last.ID)
	}
}
