//go:build unix

package foreign_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// target is a database that a consumer's checkpoint is in.
type target interface {
	load(ctx context.Context) ([]checkpoint.Checkpoint, error)
	Memory(consumer, feedID string) checkpoint.Memory
	start(ctx context.Context, c checkpoint.Checkpoint) error
	move(ctx context.Context, m checkpoint.Move) error
}

const consumer = "default"

// ofFeed is a target with one of several feeds.
type ofFeed struct {
	target
	id string
}

func (o ofFeed) load(ctx context.Context) ([]checkpoint.Checkpoint, error) {
	all, err := o.target.load(ctx)
	return slices.DeleteFunc(all, func(c checkpoint.Checkpoint) bool { return c.FeedID != o.id }), err
}

// session is a target whose consumer is held.
type session struct{ *checkpoint.Session }

func (s session) load(ctx context.Context) ([]checkpoint.Checkpoint, error) {
	_, all, err := s.Load(ctx)
	return all, err
}

func (s session) start(ctx context.Context, c checkpoint.Checkpoint) error {
	return s.Begin(ctx, checkpoint.Consumer{Name: consumer}, []checkpoint.Checkpoint{c}, true)
}

func (s session) move(ctx context.Context, m checkpoint.Move) error {
	return s.Step(ctx, []checkpoint.Move{m}, func(checkpoint.Tx) error { return nil })
}

func newPostgres(t *testing.T) target {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t))
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return held(t, postgres.Target{Pool: pool})
}

func newSQLite(t *testing.T) target {
	t.Helper()
	return held(t, sqlite.Target{Path: filepath.Join(t.TempDir(), "target.db")})
}

// held opens a target, and claims the consumer there.
func held(t *testing.T, of checkpoint.Target) target {
	t.Helper()
	s := checkpoint.Open(of, false)
	t.Cleanup(s.Close)
	must.OK(t, s.Prepare(t.Context()))
	must.OK(t, s.Claim(t.Context(), consumer))
	return session{s}
}

// seeder reads a feed into a target, and keeps what it has applied.
type seeder struct {
	target
	url      string
	applied  []event.Placed
	log      logged
	fetched  []string // URLs, without the server
	max      int64    // archives; 0 is the default
	patience time.Duration
	prefetch int
	meet     func(name string) // is called before a document is fetched, by several goroutines
	stopAt   string            // the URL that cannot be fetched
	ignoreID bool
	keep     bool // foreign.Config.KeepSameID
}

// logged is a log that is written and read at once.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var errStopped = errors.New("stopped by the test")

// RoundTrip notes what is fetched.
func (s *seeder) RoundTrip(request *http.Request) (*http.Response, error) {
	name := strings.TrimPrefix(request.URL.Path, "/")
	if name == s.stopAt {
		return nil, errStopped
	}
	if s.meet != nil {
		s.meet(name)
		return http.DefaultTransport.RoundTrip(request)
	}
	s.fetched = append(s.fetched, name)
	return http.DefaultTransport.RoundTrip(request)
}

func (s *seeder) open(t *testing.T) (*foreign.Reader, checkpoint.Checkpoint, error) {
	t.Helper()
	from, err := fetch.ParseURL(s.url)
	must.OK(t, err)
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	client := fetch.NewHTTPClient(1, 0)
	client.Transport = s
	reader, err := foreign.Open(t.Context(), foreign.Config{
		Client: &fetch.Client{HTTP: client, Logger: logger, Patience: s.patience},
		URL:    from, Interval: 10 * time.Millisecond, Logger: logger, MaxArchives: s.max, Prefetch: s.prefetch,
		IgnoreID: s.ignoreID, KeepSameID: s.keep,
	})
	if err != nil {
		return nil, checkpoint.Checkpoint{}, err
	}
	t.Cleanup(reader.Close)
	all, err := s.load(t.Context())
	must.OK(t, err)
	if err := reader.Recognize(t.Context(), all); err != nil {
		return nil, checkpoint.Checkpoint{}, err
	}
	reader.Use(s.Memory(consumer, reader.ID))
	if len(all) > 0 {
		return reader, all[0], nil
	}
	start := reader.Start()
	c := checkpoint.Checkpoint{Consumer: consumer, Feed: reader.Name, FeedID: reader.ID, URL: fetch.Shown(from), Epoch: start.Epoch, Digest: start.Digest}
	must.OK(t, s.start(t.Context(), c))
	return reader, c, nil
}

// run reads the feed to its end.
func (s *seeder) run(t *testing.T) error {
	t.Helper()
	reader, c, err := s.open(t)
	if err != nil {
		return err
	}
	_, err = s.catchUp(t, reader, c, -1)
	return err
}

// catchUp applies what there is, or no more than a number of events, and holds
// Last to what came.
func (s *seeder) catchUp(t *testing.T, reader *foreign.Reader, c checkpoint.Checkpoint, limit int) (checkpoint.Checkpoint, error) {
	t.Helper()
	if err := reader.Look(t.Context(), placeOf(c)); err != nil {
		return c, err
	}
	last := reader.Last()
	for run, err := range reader.Walk(t.Context(), placeOf(c)) {
		if err != nil {
			return c, err
		}
		n := len(run.Events)
		if limit >= 0 {
			n = min(n, limit)
			limit -= n
		}
		to, err := run.At(c.Position + int64(n))
		must.OK(t, err)
		next := c
		next.Epoch, next.Position, next.Digest = to.Epoch, to.Position, to.Digest
		marks := checkpoint.Marks{Entries: run.Entries[:n]}
		if n == len(run.Events) {
			marks.Archives = run.Archives
		}
		must.OK(t, s.move(t.Context(), checkpoint.Move{From: c, To: next, Marks: marks}))
		s.applied = append(s.applied, run.Events[:n]...)
		if c = next; limit == 0 {
			return c, nil
		}
	}
	if c.Position != last {
		t.Errorf("the feed's end was said to be at %d, and is at %d", last, c.Position)
	}
	return c, nil
}

func placeOf(c checkpoint.Checkpoint) walk.Place {
	return walk.Place{Epoch: c.Epoch, Position: c.Position, Digest: c.Digest}
}

// history is what was applied, as posts.
func (s *seeder) history() string {
	var all []string
	for _, e := range s.applied {
		all = append(all, fmt.Sprintf("%s@%d", e.ID, int(e.Time.Sub(at(0)).Minutes())))
	}
	return strings.Join(all, " ")
}

func (s *seeder) want(t *testing.T, history string) {
	t.Helper()
	if got := s.history(); got != strings.Join(strings.Fields(history), " ") {
		t.Errorf("applied  %s\nexpected %s", got, history)
	}
	for i, e := range s.applied {
		if e.Position != int64(i+1) {
			t.Errorf("event %d has the position %d", i+1, e.Position)
		}
	}
}

// onBoth runs a test with a feed of its own for each database.
func onBoth(t *testing.T, test func(t *testing.T, feed *site, s *seeder)) {
	t.Helper()
	for name, makeTarget := range map[string]func(*testing.T) target{"postgres": newPostgres, "sqlite": newSQLite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feed := newSite(t)
			test(t, feed, &seeder{target: makeTarget(t), url: feed.url + "/feed.atom"})
		})
	}
}
