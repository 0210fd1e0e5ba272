package seed_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// changed passes what the server answers on, after change.
func changed(match string, change func(body string) string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		r.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		real.ServeHTTP(recorder, r)
		body := recorder.Body.String()
		if regexp.MustCompile(match).MatchString(r.URL.Path) {
			body = change(body)
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write([]byte(body))
	}
}

func replace(old, new string) func(string) string {
	return func(body string) string { return strings.Replace(body, old, new, 1) }
}

var (
	entryLine = regexp.MustCompile(`(?m)^<entry>.*\n`)
	digests   = regexp.MustCompile(`digest-(before|after)="[0-9a-f]{64}"`)
	digest    = regexp.MustCompile(`digest-after="[0-9a-f]{64}"`)
)

// TestWhatDoesNotAddUpStopsTheSeeder is guarantee 6: whatever is wrong with
// page 3, what is in the target ends right before it.
func TestWhatDoesNotAddUpStopsTheSeeder(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if !strings.HasSuffix(r.URL.Path, "/3") {
				real.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, damage := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"HTML":              answer(200, "<!DOCTYPE html><p>log in</p>"),
		"nothing":           answer(200, ""),
		"half a document":   changed("/3$", func(body string) string { return body[:len(body)/2] }),
		"changed data":      changed("/3$", replace(`{"n":25}`, `{"n":52}`)),
		"changed attribute": changed("/3$", replace("<ce:source>/test", "<ce:source>/tast")),
		"an entry less":     changed("/3$", func(body string) string { return entryLine.ReplaceAllString(body[:len(body)-100], "") + "</feed>\n" }),
		"an entry twice": changed("/3$", func(body string) string {
			line := entryLine.FindString(body)
			return strings.Replace(body, line, line+line, 1)
		}),
		"a gap": changed("/3$", replace(`position="25"`, `position="26"`)),
		"wrong digest": changed("/3$", func(body string) string {
			return digest.ReplaceAllString(body, `digest-after="`+strings.Repeat("00", 32)+`"`)
		}),
		"another feed": changed("/3$", replace("<id>urn:uuid:", "<id>urn:uuid:0000")),
		"another epoch": changed("/3$", func(body string) string {
			return regexp.MustCompile(`epoch="........`).ReplaceAllString(body, `epoch="00000000`)
		}),
		"another page": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if epoch, third := strings.CutSuffix(r.URL.Path, "/3"); third { // an epoch may begin with 3, too
				r.URL.Path = epoch + "/4"
			}
			real.ServeHTTP(w, r)
		},
		"the newest format": changed("/3$", replace(`format="1"`, `format="2"`)),
		"a DOCTYPE":         changed("/3$", replace("<feed ", "<!DOCTYPE feed><feed ")),
		"not an archive":    changed("/3$", replace("<fh:archive/>\n", "")),
		"an unknown epoch":  changed("/3$", func(body string) string { return strings.Replace(body, "<ef:epoch id=\"", "<ef:epoch id=\"00", 1) }),
		"a foreign redirect": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/3") {
				http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
				return
			}
			real.ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 95)
			s.damage.Store(&damage)
			path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
			config := seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), Patience: time.Millisecond}
			for range 2 { // it stays so
				_, err := run(t, config)
				if name == "a foreign redirect" {
					if err == nil {
						t.Error("followed")
					}
				} else if !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), s.URL) {
					t.Errorf("ended with %v", err)
				}
				wantInbox(t, target{inbox: sqliteInbox(path)}, 20)
			}
			s.damage.Store(nil)
			_, err := run(t, config)
			must.OK(t, err)
			wantInbox(t, target{inbox: sqliteInbox(path)}, 95)
		})
	}
}

// The feed's own URL, after a good beginning.
func TestAnotherHistoryStopsTheSeeder(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		other := newSource(t, 40)
		shorter := newSource(t, 20)
		for name, test := range map[string]struct {
			from   string
			damage func(http.ResponseWriter, *http.Request, http.Handler)
		}{
			"another feed":             {other.feed(), nil},
			"a feed with fewer events": {shorter.feed(), nil},
			"another digest at the place": {s.feed(), changed("/f$", func(body string) string {
				return digest.ReplaceAllString(body, `digest-after="`+strings.Repeat("00", 32)+`"`)
			})},
			"the epoch is not known": {s.feed(), changed("/f$", func(body string) string {
				return regexp.MustCompile(`(epoch id|epoch)="........`).ReplaceAllString(body, `$1="00000000`)
			})},
		} {
			if test.damage != nil {
				s.damage.Store(&test.damage)
			}
			_, err := run(t, seed.Config{From: []string{test.from}, Into: again().Target, Patience: time.Millisecond})
			if !errors.Is(err, seed.ErrMismatch) {
				t.Errorf("%s: ended with %v", name, err)
			}
			s.damage.Store(nil)
			wantInbox(t, again(), 25)
		}
	})
}

// TestEpochs: a source that was restored to an older state goes on under a
// new epoch. Who was in the common part goes on, who was beyond stops.
func TestEpochs(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		must.OK(t, s.NewEpoch(t.Context(), "f", "restored, nothing lost"))
		s.add(t, 26, 70)
		end, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		wantInbox(t, again(), 70)
		f, err := s.Feed(t.Context(), "f")
		must.OK(t, err)
		if end.Epoch != f.Epoch() || end.Digest != f.Digest.String() {
			t.Errorf("ended with %+v", end)
		}
		// The consumer has seen positions that the present epoch does not know
		// of: as if position 26 to 70 had come from the old one.
		again().exec(t, "UPDATE CHECKPOINTS SET epoch = '"+f.Epochs[0].ID+"'")
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		if !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), "lost") {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestEpochThatBeginsWhileReadingIsNoReasonToStop: it moves pages that the head
// in hand still names by their old URLs.
func TestEpochThatBeginsWhileReadingIsNoReasonToStop(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSourceOfPages(t, 320, 100)
		begun := false
		begin := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/3") && !begun { // the newest archive
				begun = true
				must.OK(t, s.NewEpoch(t.Context(), "f", "test"))
				s.add(t, 321, 520)
			}
			real.ServeHTTP(w, r)
		}
		s.damage.Store(&begin)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Prefetch: 1})
		must.OK(t, err)
		if !begun {
			t.Fatal("the newest archive was not asked for")
		}
		wantInbox(t, again(), 520)
	})
}

// TestStaleHeadFromACacheIsAskedForAgain: an older subscription document is no
// reason to stop if the server itself knows better.
func TestStaleHeadFromACacheIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	stale := fetch(t, s)
	s.add(t, 16, 40)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	must.OK(t, err)
	cache := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/f") && r.Header.Get("Cache-Control") != "no-cache" {
			_, _ = w.Write(stale)
			return
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&cache)
	_, err = run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	must.OK(t, err)
	wantInbox(t, target{inbox: sqliteInbox(path)}, 40)
}

// TestServerThatIsBehindAnotherIsAskedForAWhile: it does not know yet what the
// seeder has read from the other one, not even the epoch.
func TestServerThatIsBehindAnotherIsAskedForAWhile(t *testing.T) {
	t.Parallel()
	for name, epoch := range map[string]bool{"of the same epoch": false, "of an epoch before": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 15)
			stale := fetch(t, s)
			if epoch {
				must.OK(t, s.NewEpoch(t.Context(), "f", "test"))
			}
			s.add(t, 16, 40)
			path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
			_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
			must.OK(t, err)
			var asked atomic.Int32
			behind := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
				if asked.Add(1) <= 5 {
					_, _ = w.Write(stale)
					return
				}
				real.ServeHTTP(w, r)
			}
			s.damage.Store(&behind)
			_, err = run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
			must.OK(t, err)
			wantInbox(t, target{inbox: sqliteInbox(path)}, 40)
		})
	}
}

// fetch returns the feed's subscription document.
func fetch(t *testing.T, s *source) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.feed(), nil)
	must.OK(t, err)
	response, err := s.Client().Do(request)
	must.OK(t, err)
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	must.OK(t, response.Body.Close())
	return body
}
