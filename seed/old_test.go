package seed_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

type damage = func(http.ResponseWriter, *http.Request, http.Handler)

// instead gives the first n requests that match, or all of them if n is below 0,
// another answer than the server's.
func instead(n int32, match func(*http.Request) bool, other http.HandlerFunc) damage {
	var given atomic.Int32
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if match(r) && (n < 0 || given.Add(1) <= n) {
			other(w, r)
			return
		}
		real.ServeHTTP(w, r)
	}
}

func isHead(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/f") }

func isArchive(number string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/archive/") && strings.HasSuffix(r.URL.Path, "/"+number)
	}
}

func send(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

// TestWhatIsMerelyOldIsWaitedFor: answers of a cache or a server that is behind,
// whatever they heed of a request for fresh ones, stop nobody, and cost no event.
func TestWhatIsMerelyOldIsWaitedFor(t *testing.T) {
	const often = 8
	for name, test := range map[string]func(s *source, old []byte) damage{
		"an old document":          func(_ *source, old []byte) damage { return instead(often, isHead, send(old)) },
		"a document of no archive": func(_ *source, _ []byte) damage { return instead(often, isArchive("3"), http.NotFound) },
		"a document of a lost archive": func(_ *source, _ []byte) damage {
			return instead(often, isArchive("3"), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
		},
		"a document that is made of two states": func(_ *source, old []byte) damage {
			return instead(5, isHead, send([]byte(digest.ReplaceAllString(string(old), `digest-after="`+strings.Repeat("00", 32)+`"`))))
		},
		"a cached archive that is damaged": func(*source, []byte) damage {
			damaged := changed("/3$", replace(`{"n":25}`, `{"n":52}`))
			return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
				if r.Header.Get("Cache-Control") != "" {
					real.ServeHTTP(w, r)
					return
				}
				damaged(w, r, real)
			}
		},
	} {
		for _, follows := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", follows ", follows), func(t *testing.T) {
				t.Parallel()
				s := newSource(t, 15)
				old := fetch(t, s)
				s.add(t, 16, 19)
				path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
				config := seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), PollInterval: 5 * time.Millisecond, Wait: -1}
				if !follows {
					_, err := run(t, config)
					must.OK(t, err)
				}
				f := &follower{}
				if follows {
					f = follow(t, config)
					f.wait(t, 19)
				}
				act := test(s, old)
				s.damage.Store(&act)
				s.add(t, 20, 95)
				if follows {
					f.wait(t, 95)
					must.OK(t, f.stop())
				} else {
					_, err := run(t, config)
					must.OK(t, err)
				}
				wantInbox(t, target{inbox: sqliteInbox(path)}, 95)
			})
		}
	}
}

// TestWhatStaysOldIsNoLoss: at the end of patience a seeder ends with an error
// that does not say that anything was lost; so does a rewind, but for a position
// that the old document proves.
func TestWhatStaysOldIsNoLoss(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 15)
		old := fetch(t, s)
		must.OK(t, s.NewEpoch(t.Context(), "f", "test")) // which an old document does not know
		s.add(t, 16, 95)
		config := seed.Config{From: []string{s.feed()}, Into: again().Target}
		_, err := run(t, config)
		must.OK(t, err)
		behind := instead(-1, isHead, send(old))
		s.damage.Store(&behind)
		config.Patience = 100 * time.Millisecond
		for name, do := range map[string]func() error{
			"run":       func() error { _, err := run(t, config); return err },
			"rewind":    func() error { return seed.Rewind(t.Context(), config, 16, nil) },
			"following": func() error { config := config; config.Follow = true; _, err := run(t, config); return err },
		} {
			config.Into = again().Target
			err := do()
			if older, is := errors.AsType[*seed.OldError](err); !is || errors.Is(err, seed.ErrMismatch) || older.Last != 15 || older.Position != 95 {
				t.Errorf("%s ended with %v", name, err)
			}
		}
		wantInbox(t, again(), 95)
		config.Into = again().Target
		must.OK(t, seed.Rewind(t.Context(), config, 15, nil))
		wantInbox(t, again(), 15)
	})
}

// TestPageThatStaysMissingIsNoLoss: a server or a cache lags. The run ends with the retry
// timeout, with an error that does not say that the feed fails verification.
func TestPageThatStaysMissingIsNoLoss(t *testing.T) {
	t.Parallel()
	for _, follows := range []bool{false, true} {
		for _, status := range []int{http.StatusNotFound, http.StatusGone} {
			t.Run(fmt.Sprintf("follows %v, status %d", follows, status), func(t *testing.T) {
				t.Parallel()
				s := newSource(t, 95)
				lacks := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
					if isArchive("3")(r) {
						http.Error(w, "not here", status)
						return
					}
					real.ServeHTTP(w, r)
				}
				s.damage.Store(&lacks)
				path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
				config := seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), Follow: follows, Patience: 200 * time.Millisecond}
				for range 2 { // it stays so
					_, err := run(t, config)
					if !errors.Is(err, seed.ErrMissing) || errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), s.URL) {
						t.Errorf("ended with %v", err)
					}
					wantInbox(t, target{inbox: sqliteInbox(path)}, 20)
				}
				s.damage.Store(nil)
				config.Follow = false
				_, err := run(t, config)
				must.OK(t, err)
				wantInbox(t, target{inbox: sqliteInbox(path)}, 95)
			})
		}
	}
}

// TestFeedThatIsOldDoesNotStopTheOthers, and says so in the log, once, and in
// what can be seen of the run.
func TestFeedThatIsOldDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	one, two := newSource(t, 15), newSource(t, 15)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	var lines []string
	reached := make(chan int64, 1000)
	var log strings.Builder
	stop := followTotal(t, seed.Config{
		From: []string{one.feed(), two.feed()}, Into: sqliteLines(path, &lines),
		PollInterval: 5 * time.Millisecond, Wait: -1, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, reached)
	waitTotal(t, reached, 30)
	old := fetch(t, one)
	one.add(t, 16, 20)
	waitTotal(t, reached, 35)
	behind := instead(-1, isHead, send(old))
	one.damage.Store(&behind)
	two.add(t, 16, 95)
	waitTotal(t, reached, 115)
	one.damage.Store(nil)
	one.add(t, 21, 25)
	waitTotal(t, reached, 120)
	must.OK(t, stop())
	if n := strings.Count(log.String(), "level=WARN"); n > 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}
