package seed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// follower is a run that follows.
type follower struct {
	reached chan int64 // each position that it reports
	stop    func() error
}

// follow starts one.
func follow(t *testing.T, config seed.Config) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{reached: make(chan int64, 10_000)}
	done := make(chan error, 1)
	config.Follow = true
	config.Progress = func(p seed.Progress) { f.reached <- p.Feeds[0].Position }
	go func() {
		done <- seed.Run(ctx, config)
		close(f.reached)
	}()
	f.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = f.stop() })
	return f
}

// wait waits until the run has reached a position.
func (f *follower) wait(t *testing.T, position int64) {
	t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case p, open := <-f.reached:
			if !open {
				t.Fatalf("ended before position %d: %v", position, f.stop())
			}
			if p == position {
				return
			}
		case <-deadline:
			t.Fatalf("position %d was not reached", position)
		}
	}
}

// answer is what was answered to a request for the subscription document.
type answer struct {
	asked  http.Header
	status int
	*feed.Document
}

// record passes everything on and remembers the answers.
type record struct {
	mu      sync.Mutex
	answers []answer
}

func (c *record) pass(w http.ResponseWriter, r *http.Request, real http.Handler) {
	if !strings.HasSuffix(r.URL.Path, "/f") {
		real.ServeHTTP(w, r)
		return
	}
	recorder := httptest.NewRecorder()
	real.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	if recorder.Header().Get("Content-Encoding") == "zstd" {
		body, _ = compress.Unzstd(body)
	}
	d, _ := feed.Decode(body)
	c.mu.Lock()
	c.answers = append(c.answers, answer{r.Header.Clone(), recorder.Code, d})
	c.mu.Unlock()
	copyAnswer(w, recorder, recorder.Body.Bytes())
}

func (c *record) all() []answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers)
}

// until waits for an answer of some kind.
func (c *record) until(t *testing.T, is func(answer) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !slices.ContainsFunc(c.all(), is); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no such answer among %+v", c.all())
		}
	}
}

func copyAnswer(w http.ResponseWriter, recorder *httptest.ResponseRecorder, body []byte) {
	maps.Copy(w.Header(), recorder.Header())
	if recorder.Code != http.StatusNotModified {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(body)
}

// TestFollowingReadsNothingTwice, with an interval so long that polling would
// come too late: after the first document, which any cache may
// answer, come deltas only: with events, of a page that was sealed and nothing
// else, over the beginning of an epoch.
func TestFollowingReadsNothingTwice(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 15)
		var c record
		pass := c.pass
		s.damage.Store(&pass)
		f := follow(t, seed.Config{From: []string{s.feed()}, Into: again().Target, PollInterval: time.Minute})
		f.wait(t, 15)
		s.add(t, 16, 16)
		f.wait(t, 16)
		storetest.Append(t, s.Log, "f", storetest.Events(17, 22))
		_, err := s.Sequence(t.Context(), "f", 100)
		must.OK(t, err)
		f.wait(t, 20) // the page that is full, and not sealed yet
		_, err = s.Seal(t.Context(), "f")
		must.OK(t, err)
		f.wait(t, 22)
		must.OK(t, s.NewEpoch(t.Context(), "f", "test"))
		c.until(t, func(a answer) bool { return a.Document != nil && len(a.Epochs) == 2 })
		s.add(t, 23, 41)
		f.wait(t, 41)
		must.OK(t, f.stop())
		wantInbox(t, again(), 41)
		wantDeltas(t, c.all())
	})
}

// wantDeltas checks that each answer but the first is a delta that begins where
// the one before it ended.
func wantDeltas(t *testing.T, answers []answer) {
	t.Helper()
	if asked := answers[0].asked; asked.Get("A-IM")+asked.Get("Prefer")+asked.Get("Cache-Control")+asked.Get("If-None-Match") != "" {
		t.Errorf("the first request has %v", asked)
	}
	last := answers[0].Last
	for _, a := range answers[1:] {
		if a.asked.Get("A-IM") != "feed" || a.asked.Get("Prefer") != "wait=30" {
			t.Errorf("a request has %v", a.asked)
		}
		if a.Document == nil {
			continue // 304, or it was stopped
		}
		if a.status != http.StatusIMUsed || a.First != last+1 {
			t.Errorf("status %d with positions %d to %d, after %d", a.status, a.First, a.Last, last)
		}
		last = a.Last
	}
}

// altered changes what the server answers for the subscription document under
// these statuses.
func altered(statuses []int, change func(body string) string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/f") {
			real.ServeHTTP(w, r)
			return
		}
		r.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		real.ServeHTTP(recorder, r)
		body := recorder.Body.String()
		if slices.Contains(statuses, recorder.Code) {
			body = change(body)
		}
		copyAnswer(w, recorder, []byte(body))
	}
}

// TestWrongDeltaIsReadAgainAsAWhole, and only if that does not add up either it
// is an error.
func TestWrongDeltaIsReadAgainAsAWhole(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{
		"changed data":  replace(`{"n":17}`, `{"n":71}`),
		"an entry less": func(body string) string { return strings.Replace(body, entryLine.FindString(body), "", 1) },
		"wrong digests": func(body string) string {
			return digests.ReplaceAllString(body, `digest-$1="`+strings.Repeat("00", 32)+`"`)
		},
		"half of it":    func(body string) string { return body[:len(body)/2] },
		"nothing":       func(string) string { return "" },
		"HTML":          func(string) string { return "<!DOCTYPE html><p>log in</p>" },
		"another feed":  replace("<id>urn:uuid:", "<id>urn:uuid:0000"),
		"another's one": nil,
		"a later one":   withoutFirst,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 15)
			if name == "another's one" {
				other := newSource(t, 45)
				body := fetch(t, other)
				change = func(string) string { return string(body) }
			}
			path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
			config := seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), Patience: time.Millisecond, PollInterval: 20 * time.Millisecond}

			var deltas atomic.Int32
			damage := altered([]int{http.StatusIMUsed}, func(body string) string {
				deltas.Add(1)
				return change(body)
			})
			s.damage.Store(&damage)
			f := follow(t, config)
			f.wait(t, 15)
			for last := int64(16); last <= 18; last++ {
				s.add(t, int(last), int(last))
				f.wait(t, last)
			}
			must.OK(t, f.stop())
			wantInbox(t, target{inbox: sqliteInbox(path)}, 18)
			if deltas.Load() == 0 {
				t.Error("no delta was sent")
			}
		})
	}
}

// withoutFirst leaves the first entry out of a document, which still adds up in
// itself then.
func withoutFirst(body string) string {
	d, err := feed.Decode([]byte(body))
	if err != nil || len(d.Entries) == 0 {
		return body
	}
	if d.DigestBefore, err = d.DigestAt(d.First); err != nil {
		return body
	}
	d.First, d.Entries = d.First+1, d.Entries[1:]
	return string(feed.AppendDocument(nil, d))
}

// TestDeltaAndWholeThatDoNotAddUpStopTheFollower with nothing of either applied.
func TestDeltaAndWholeThatDoNotAddUpStopTheFollower(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	damage := altered([]int{http.StatusOK, http.StatusIMUsed}, replace(`{"n":17}`, `{"n":71}`))
	s.damage.Store(&damage)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	f.wait(t, 15)
	s.add(t, 16, 18)
	for range f.reached { // until it ends
	}
	if err := f.stop(); !errors.Is(err, seed.ErrMismatch) {
		t.Errorf("ended with %v", err)
	}
	wantInbox(t, target{inbox: sqliteInbox(path)}, 15)
}

// TestCheckpointThatWentBackMeanwhileIsReadFrom: the delta begins behind it,
// and archives lie between.
func TestCheckpointThatWentBackMeanwhileIsReadFrom(t *testing.T) {
	t.Parallel()
	s := newSource(t, 155)
	pool := newPool(t)
	var c record
	pass := c.pass
	s.damage.Store(&pass)
	other, err := pgxpool.New(t.Context(), pool.Config().ConnString())
	must.OK(t, err)
	defer other.Close()
	_, err = run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(other).Inbox(), Until: 5})
	must.OK(t, err)
	_, err = other.Exec(t.Context(), "CREATE TABLE before AS SELECT position, digest, epoch FROM eventfeed_seed.checkpoints")
	must.OK(t, err)
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox(), PollInterval: time.Minute})
	f.wait(t, 155)
	_, err = other.Exec(t.Context(), "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	must.OK(t, err)
	// As a rewind does, which the follower would keep out.
	_, err = other.Exec(t.Context(), "DELETE FROM eventfeed_inbox.feed_events WHERE position > 5")
	must.OK(t, err)
	_, err = other.Exec(t.Context(), "UPDATE eventfeed_seed.checkpoints c SET position = b.position, digest = b.digest, epoch = b.epoch FROM before b")
	must.OK(t, err)
	s.add(t, 156, 157)
	f.wait(t, 5)
	f.wait(t, 157)
	must.OK(t, f.stop())
	wantInbox(t, target{inbox: postgresInbox(other)}, 157)
	if !slices.ContainsFunc(c.all(), func(a answer) bool { return a.status == http.StatusIMUsed && a.First == 156 }) {
		t.Error("no delta was sent")
	}
}

// TestServerThatEndsWhileARequestIsHeldIsWaitedFor: one warning, and on it goes.
func TestServerThatEndsWhileARequestIsHeldIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	var held atomic.Bool
	crash := make(chan struct{})
	first := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Header.Get("Prefer") != "" {
			held.Store(true)
			<-crash
			panic(http.ErrAbortHandler)
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&first)
	var log lockedBuffer
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), PollInterval: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	f.wait(t, 15)
	eventually(t, held.Load)

	var refused atomic.Int32
	away := func(http.ResponseWriter, *http.Request, http.Handler) {
		refused.Add(1)
		panic(http.ErrAbortHandler)
	}
	s.damage.Store(&away)
	close(crash)
	eventually(t, func() bool { return refused.Load() > 2 })
	s.add(t, 16, 17)
	var c record
	pass := c.pass
	s.damage.Store(&pass)
	f.wait(t, 17)
	s.add(t, 18, 18)
	f.wait(t, 18)
	c.until(t, func(a answer) bool { return a.status == http.StatusIMUsed })
	must.OK(t, f.stop())
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "server answers again") {
		t.Errorf("the log:\n%s", text)
	}
}

// TestServerThatKnowsNothingOfItIsPolled: no warning, no busy loop.
func TestServerThatKnowsNothingOfItIsPolled(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	ignorant := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		r.Header.Del("A-IM")
		r.Header.Del("Prefer")
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&ignorant)
	var log lockedBuffer
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), PollInterval: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	f.wait(t, 15)
	s.add(t, 16, 16)
	f.wait(t, 16)
	s.add(t, 17, 33)
	f.wait(t, 33)
	must.OK(t, f.stop())
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("the log:\n%s", log.String())
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
	}
}

// lockedBuffer takes a log.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
