package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/outbox"
)

// writers is how many transactions are under way at once.
const writers = 16

// longestWork is how long a transaction may take from its first event to its commit.
const longestWork = 50 * time.Millisecond

// shop is a database with an outbox table and a feed, and a server of that feed.
type shop struct {
	pool   *pgxpool.Pool
	target *pgxpool.Pool // another database, which the seeder fills
	feed   string        // its URL
	server *exec.Cmd

	mu        sync.Mutex
	committed map[string]time.Time // by the event's id, when its commit returned
}

func newShop(ctx context.Context, database, server string) (*shop, error) {
	s := &shop{committed: make(map[string]time.Time)}
	shopURL, err := createDatabase(ctx, database, "lose_shop")
	if err != nil {
		return nil, err
	}
	targetURL, err := createDatabase(ctx, database, "lose_target")
	if err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.New(ctx, shopURL+"&pool_max_conns=32"); err != nil {
		return nil, err
	}
	if s.target, err = pgxpool.New(ctx, targetURL); err != nil {
		return nil, err
	}
	if _, err := s.pool.Exec(ctx, `
		CREATE TABLE outbox (id bigserial PRIMARY KEY, transaction xid8 NOT NULL DEFAULT pg_current_xact_id(), event text NOT NULL);
		CREATE TABLE report (n int)`); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, server, "create", "orders", "--db", shopURL).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("create the feed: %w: %s", err, out)
	}
	if err := s.serve(ctx, server, shopURL); err != nil {
		return nil, err
	}
	return s, nil
}

// createDatabase creates an empty database on a server, and returns its URL.
func createDatabase(ctx context.Context, server, name string) (string, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	query := u.Query()
	query.Set("application_name", "lose")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// serve starts the feed's server, at a port of its own.
func (s *shop) serve(ctx context.Context, program, database string) error {
	s.server = exec.CommandContext(ctx, program, "serve", "--listen", "127.0.0.1:0", "--db", database)
	log, err := s.server.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.server.Start(); err != nil {
		return err
	}
	serving := regexp.MustCompile(`msg=serving url=(\S+)/ `)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			s.feed = found[1] + "/feeds/orders"
			go func() {
				for lines.Scan() { // or the server would wait
				}
			}()
			return nil
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	return errors.New("feedserver does not serve")
}

func (s *shop) close() {
	if s.server != nil && s.server.Process != nil {
		_ = s.server.Process.Kill()
		_ = s.server.Wait()
	}
	s.pool.Close()
	s.target.Close()
}

// write lets all writers write, and in the middle keeps a transaction open that writes
// into another table. It returns how many events were committed.
func (s *shop) write(ctx context.Context, length, open time.Duration) (written int, err error) {
	end := time.Now().Add(length)
	group, ctx := errgroup.WithContext(ctx)
	for writer := range writers {
		group.Go(func() error {
			for n := 0; time.Now().Before(end); n++ {
				if err := s.append(ctx, fmt.Sprintf("%d-%d", writer, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		time.Sleep((length - open) / 2)
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO report VALUES (1)")
			time.Sleep(open)
			return err
		})
	})
	err = group.Wait()
	return len(s.committed), err
}

// append appends one event to the table and to the feed, in one transaction that does a
// little work before it commits.
func (s *shop) append(ctx context.Context, id string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO outbox (event) VALUES ($1)", id); err != nil {
			return err
		}
		if _, err := outbox.Append(ctx, tx, "orders", event.Event{ID: id, Type: "OrderPaid"}); err != nil {
			return err
		}
		time.Sleep(rand.N(longestWork))
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed[id] = time.Now()
	return nil
}

// since returns how long ago an event was committed; 0 where its commit has only just been
// seen.
func (s *shop) since(id string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, is := s.committed[id]
	if !is {
		return 0
	}
	return time.Since(at)
}
