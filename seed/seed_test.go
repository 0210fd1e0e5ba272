package seed_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// source is a served feed "f", with pages of 10 events.
type source struct {
	*store.Log
	*httptest.Server
	database string // URL of the log's
	// damage, if set, may answer a request in place of the server.
	damage atomic.Pointer[func(w http.ResponseWriter, r *http.Request, real http.Handler)]
}

func newSource(t *testing.T, events int) *source {
	t.Helper()
	return newSourceOfPages(t, events, 10)
}

func newSourceOfPages(t *testing.T, events, pageSize int) *source {
	t.Helper()
	s := openSource(t, testdb.SQLite(t))
	storetest.Create(t, s.Log, "f", pageSize)
	s.add(t, 1, events)
	return s
}

// openSource serves what is in the log of a database URL.
func openSource(t *testing.T, url string) *source {
	t.Helper()
	s := &source{Log: storetest.Open(t, url), database: url}
	served := servertest.Handler(t, s.Log)
	real := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cache-Control") // it has just looked, and need not wait for its next look
		served.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if damage := s.damage.Load(); damage != nil {
			(*damage)(w, r, real)
			return
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Server.Close)
	return s
}

func (s *source) add(t *testing.T, first, last int) {
	t.Helper()
	storetest.Append(t, s.Log, "f", storetest.Events(first, last))
	storetest.Drain(t, s.Log, "f")
}

func (s *source) feed() string { return s.URL + "/feeds/f" }

// store is a target database, and how to look into it.
type target struct {
	seed.Target
	inbox func(t *testing.T) []string // what is in, in order
	exec  func(t *testing.T, statement string)
}

// eachTarget runs a test on both databases. again opens the same one anew.
func eachTarget(t *testing.T, test func(t *testing.T, again func() target)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool := newPool(t)
		test(t, func() target { return target{seedpgx.Open(pool).Inbox(), postgresInbox(pool), postgresExec(pool)} })
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		test(t, func() target { return target{seedsqlite.Open(path).Inbox(), sqliteInbox(path), sqliteExec(path)} })
	})
}

func newPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t))
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

const inboxColumns = "position, id, source, type, subject, datacontenttype, data"

func postgresInbox(pool *pgxpool.Pool) func(*testing.T) []string {
	return func(t *testing.T) []string {
		rows, err := pool.Query(t.Context(), "SELECT concat_ws(' ', position, id, source, type, subject, datacontenttype, convert_from(data, 'UTF8')) FROM eventfeed_inbox.events ORDER BY consumer, position")
		must.OK(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must.OK(t, err)
		return all
	}
}

func postgresExec(pool *pgxpool.Pool) func(*testing.T, string) {
	return func(t *testing.T, statement string) {
		_, err := pool.Exec(t.Context(), strings.NewReplacer("CHECKPOINTS", "eventfeed_seed.checkpoints", "INBOX", "eventfeed_inbox.feed_events").Replace(statement))
		must.OK(t, err)
	}
}

func withSQLite(t *testing.T, path string, do func(*sql.DB)) {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	do(db)
}

// querySQLite returns the rows of a query that has one column.
func querySQLite(t *testing.T, path, query string) (lines []string) {
	t.Helper()
	withSQLite(t, path, func(db *sql.DB) {
		var err error
		lines, err = sqlitedb.CollectRows(t.Context(), db, sqlitedb.RowTo[string], query)
		must.OK(t, err)
	})
	return lines
}

func sqliteInbox(path string) func(*testing.T) []string {
	return func(t *testing.T) (all []string) {
		withSQLite(t, path, func(db *sql.DB) {
			rows, err := db.QueryContext(t.Context(), "SELECT "+inboxColumns+" FROM eventfeed_inbox_events ORDER BY consumer, position")
			must.OK(t, err)
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var position int64
				var id, source, typ, subject, contentType, data string
				must.OK(t, rows.Scan(&position, &id, &source, &typ, &subject, &contentType, &data))
				all = append(all, fmt.Sprint(position, " ", id, " ", source, " ", typ, " ", subject, " ", contentType, " ", data))
			}
			must.OK(t, rows.Err())
		})
		return all
	}
}

func sqliteExec(path string) func(*testing.T, string) {
	return func(t *testing.T, statement string) {
		withSQLite(t, path, func(db *sql.DB) {
			_, err := db.ExecContext(t.Context(), strings.NewReplacer("CHECKPOINTS", "eventfeed_checkpoints", "INBOX", "eventfeed_inbox_feed_events").Replace(statement))
			must.OK(t, err)
		})
	}
}

// wantInbox compares the inbox with the events from 1 to last.
func wantInbox(t *testing.T, to target, last int) {
	t.Helper()
	var want []event.Placed
	for n, e := range storetest.Events(1, last) {
		want = append(want, event.Placed{Event: e, Position: int64(n + 1)})
	}
	wantEvents(t, to, want)
}

func wantEvents(t *testing.T, to target, events []event.Placed) {
	t.Helper()
	var want []string
	for _, e := range events {
		want = append(want, fmt.Sprint(e.Position, " ", e.ID, " ", e.Source, " ", e.Type, " ", e.Subject, " ", e.DataContentType, " ", string(e.Data)))
	}
	if got := to.inbox(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("inbox has %d events, want %d; first ones %.300v", len(got), len(want), got)
	}
}

// run runs a seeder and returns the progress it ended with.
func run(t *testing.T, config seed.Config) (last seed.FeedProgress, err error) {
	t.Helper()
	config.Progress = func(p seed.Progress) { last = p.Feeds[0] }
	err = seed.Run(t.Context(), config)
	return last, err
}

func TestSeedingGoesOnWhereItEnded(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 0)
		at := 0
		for _, last := range []int{0, 3, 10, 11, 47, 47, 100, 263} { // within a page, at its end, over many
			if last > at {
				s.add(t, at+1, last)
			}
			end, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Prefetch: 3})
			must.OK(t, err)
			wantInbox(t, again(), last)
			position, digest := storetest.Verify(t, s.Log, "f")
			if end.Position != position || end.Digest != digest || end.Applied != int64(last-at) {
				t.Errorf("ended with %+v, want position %d digest %s and %d applied", end, position, digest, last-at)
			}
			at = last
		}
	})
}

func TestConsumersReadForThemselves(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		for _, consumer := range []string{"a", "b"} {
			end, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Consumer: consumer})
			must.OK(t, err)
			if end.Applied != 25 {
				t.Errorf("consumer %s: %d events applied", consumer, end.Applied)
			}
		}
		if n := len(again().inbox(t)); n != 50 {
			t.Errorf("inbox has %d events, want 50", n)
		}
	})
}

func TestFollowingGoesOnUntilItIsStopped(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 15)
		f := follow(t, seed.Config{From: []string{s.feed()}, Into: again().Target, PollInterval: 10 * time.Millisecond, Wait: -1})
		f.wait(t, 15)
		at := 15
		for _, last := range []int{16, 29, 150} { // within the document, over a page's end, over many
			s.add(t, at+1, last)
			f.wait(t, int64(last))
			at = last
		}
		if err := f.stop(); err != nil {
			t.Errorf("stopped with %v", err)
		}
		wantInbox(t, again(), 150)
	})
}

func TestPollingAnUnchangedFeedIsConditional(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	var conditional atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	count := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		recorder := httptest.NewRecorder()
		real.ServeHTTP(recorder, r)
		if recorder.Code == http.StatusNotModified && conditional.Add(1) == 3 {
			stop()
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	}
	s.damage.Store(&count)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	must.OK(t, seed.Run(ctx, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), Follow: true, PollInterval: time.Millisecond, Wait: -1}))
	if conditional.Load() < 3 {
		t.Errorf("%d answers were 304", conditional.Load())
	}
}

// TestHandlerAndCheckpointCommitTogether is guarantee 5: a handler that fails
// leaves neither its own writes nor a checkpoint behind them.
func TestHandlerAndCheckpointCommitTogether(t *testing.T) {
	t.Parallel()
	s := newSource(t, 95)
	pool := newPool(t)
	_, err := pool.Exec(t.Context(), "CREATE TABLE seen (position bigint PRIMARY KEY)")
	must.OK(t, err)
	fail := errors.New("the handler does not like it")
	for _, limit := range []int64{1, 37, 40, 94, 1000} {
		handle := func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
			for _, e := range b.Events {
				if _, err := tx.Exec(ctx, "INSERT INTO seen VALUES ($1)", e.Position); err != nil {
					return err
				}
				if e.Position == limit {
					return fail
				}
			}
			return nil
		}
		err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle)})
		if limit < 95 && !errors.Is(err, fail) || limit > 95 && err != nil {
			t.Errorf("ended with %v", err)
		}
		var seen, position int64
		must.OK(t, pool.QueryRow(t.Context(), "SELECT count(*), (SELECT position FROM eventfeed_seed.checkpoints) FROM seen").Scan(&seen, &position))
		if seen != position || seen >= limit {
			t.Errorf("%d events are in, the checkpoint is at %d", seen, position)
		}
	}
}

func TestSQLiteHandlerGetsTheTransaction(t *testing.T) {
	t.Parallel()
	s := newSource(t, 25)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	withSQLite(t, path, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), "CREATE TABLE seen (position INTEGER PRIMARY KEY)")
		must.OK(t, err)
	})
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
		for _, e := range b.Events {
			if _, err := tx.ExecContext(ctx, "INSERT INTO seen VALUES (?)", e.Position); err != nil {
				return err
			}
		}
		return nil
	})}))
	withSQLite(t, path, func(db *sql.DB) {
		var n int
		must.OK(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM seen").Scan(&n))
		if n != 25 {
			t.Errorf("%d events were handled", n)
		}
	})
}

// TestOnlyOneOfTwoSeedersApplies is guarantee 7.
func TestOnlyOneOfTwoSeedersApplies(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 50)
		ctx, stop := context.WithCancel(t.Context())
		var once sync.Once
		holding := make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- seed.Run(ctx, seed.Config{From: []string{s.feed()}, Into: again().Target, Follow: true,
				Progress: func(seed.Progress) { once.Do(func() { close(holding) }) }})
		}()
		<-holding
		if _, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target}); !errors.Is(err, seed.ErrHeld) {
			t.Errorf("the second one ended with %v", err)
		}
		stop()
		must.OK(t, <-first)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		wantInbox(t, again(), 50)
	})
}

// TestSeederThatWasTakenOverAppliesNothing is what stands behind the lock.
func TestSeederThatWasTakenOverAppliesNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t, 30)
	pool := newPool(t)
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox()})
	must.OK(t, err)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	taken := false
	err = seed.Run(ctx, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox(), Follow: true, PollInterval: time.Millisecond,
		Progress: func(seed.Progress) {
			if !taken {
				taken = true
				postgresExec(pool)(t, "UPDATE CHECKPOINTS SET holder = 'someone else'")
				s.add(t, 31, 40)
			}
		}})
	if !errors.Is(err, seed.ErrMoved) {
		t.Errorf("ended with %v", err)
	}
	wantInbox(t, target{inbox: postgresInbox(pool)}, 30)
}

// TestLostConnectionsToTheTargetChangeNothing ends the seeder's session in
// each transaction, before the commit or around it, so that there are commits
// whose outcome nobody learns. The second try of each is let through.
func TestLostConnectionsToTheTargetChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t, 600)
	pool := newPool(t)
	killer, err := pgxpool.New(t.Context(), pool.Config().ConnString())
	must.OK(t, err)
	defer killer.Close()
	_, err = killer.Exec(t.Context(), "CREATE TABLE seen (position bigint PRIMARY KEY)")
	must.OK(t, err)
	var killers sync.WaitGroup
	kill := func() {
		_, err := killer.Exec(t.Context(), `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE l.locktype = 'advisory' AND d.datname = current_database()`)
		if err != nil {
			t.Error(err)
		}
	}
	killed := map[int64]bool{}
	handle := func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
		for _, e := range b.Events {
			if _, err := tx.Exec(ctx, "INSERT INTO seen VALUES ($1)", e.Position); err != nil {
				return err
			}
		}
		if first := b.Events[0].Position; !killed[first] {
			killed[first] = true
			if len(killed)%2 == 0 {
				kill()
			} else {
				killers.Go(kill)
			}
		}
		return nil
	}
	end, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle), Prefetch: 2})
	must.OK(t, err)
	killers.Wait()
	var seen, last int64
	must.OK(t, killer.QueryRow(t.Context(), "SELECT count(*), max(position) FROM seen").Scan(&seen, &last))
	if seen != 600 || last != 600 || end.Position != 600 || len(killed) < 3 {
		t.Errorf("%d events up to %d, ended at %d, %d sessions ended", seen, last, end.Position, len(killed))
	}
}

// TestAnOutageOfTheTargetIsSaidOnceAndSoIsItsEnd, for whoever reads the log.
func TestAnOutageOfTheTargetIsSaidOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	s := newSource(t, 20)
	pool := newPool(t)
	tries := 0
	handle := func(ctx context.Context, tx pgx.Tx, _ seed.Batch) error {
		if tries++; tries > 3 {
			return nil
		}
		_, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	}
	var log bytes.Buffer
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Handle(handle), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must.OK(t, err)
	_, after, _ := strings.Cut(log.String(), "the target database is unavailable, retrying")
	if strings.Count(log.String(), "the target database is unavailable") != 1 || strings.Count(after, "the target database is available again") != 1 {
		t.Errorf("the log:\n%s", log.String())
	}
}

func TestServerThatIsAwayForAWhileIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSource(t, 200)
	var requests atomic.Int32
	flaky := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		switch requests.Add(1) % 4 {
		case 0:
			http.Error(w, "restarting", http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler) // the connection breaks
		case 2: // the answer breaks off
			recorder := httptest.NewRecorder()
			real.ServeHTTP(recorder, r)
			w.Header().Set("Content-Encoding", recorder.Header().Get("Content-Encoding"))
			w.Header().Set("Content-Length", fmt.Sprint(recorder.Body.Len()))
			_, _ = w.Write(recorder.Body.Bytes()[:recorder.Body.Len()/2])
		default:
			real.ServeHTTP(w, r)
		}
	}
	s.damage.Store(&flaky)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), Prefetch: 4})
	must.OK(t, err)
	wantInbox(t, target{inbox: sqliteInbox(path)}, 200)
}

// TestDocumentsThatAProxyWroteAnewAreRead: not canonical, the same infoset.
func TestDocumentsThatAProxyWroteAnewAreRead(t *testing.T) {
	t.Parallel()
	s := newSource(t, 45)
	anew := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		r.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		real.ServeHTTP(recorder, r)
		_, _ = w.Write(bytes.ReplaceAll(recorder.Body.Bytes(), []byte("<entry>"), []byte("<entry\n>")))
	}
	s.damage.Store(&anew)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	must.OK(t, err)
	wantInbox(t, target{inbox: sqliteInbox(path)}, 45)
}
