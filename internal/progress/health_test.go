package progress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/seed"
)

// healthAt returns a health whose clock pass moves on.
func healthAt(maxLag time.Duration) (s *Health, pass func(time.Duration)) {
	s = NewHealth(maxLag)
	now := time.Unix(1_800_000_000, 0)
	s.now = func() time.Time { return now }
	return s, func(d time.Duration) { now = now.Add(d) }
}

func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func one(position, head int64, following bool) seed.Progress {
	return seed.Progress{Following: following, Feeds: []seed.FeedProgress{{Feed: "orders", FeedID: "urn:1", Position: position, Head: head}}}
}

func TestReadyWhenTheHistoryIsAppliedAndTheLagIsSmall(t *testing.T) {
	t.Parallel()
	s, pass := healthAt(10 * time.Second)
	says(t, "before the start", s.Ready(), "starting: nothing was read yet")
	s.Update(seed.Progress{Target: seed.TargetProgress{Err: errors.New("refused"), Away: s.now()}})
	says(t, "while the target has never been available", s.Ready(), "starting: nothing was read yet")
	s.Update(one(0, 5, false))
	says(t, "seeding", s.Ready(), "feed orders: seeding, at position 0 of 5")
	s.Update(one(5, 5, true))
	says(t, "done", s.Ready(), "")
	pass(time.Hour)
	says(t, "idle for long", s.Ready(), "")
	s.Update(one(5, 7, true))
	pass(8 * time.Second)
	s.Update(one(5, 9, true))
	pass(2 * time.Second)
	says(t, "a little behind", s.Ready(), "")
	pass(time.Second)
	says(t, "behind", s.Ready(), "feed orders: 4 events behind, by 11 s")
	s.Update(one(7, 9, true)) // what is left came later
	says(t, "the oldest are applied", s.Ready(), "")
	pass(8 * time.Second)
	says(t, "behind again", s.Ready(), "feed orders: 2 events behind, by 11 s")
	s.Update(one(9, 9, true))
	says(t, "caught up", s.Ready(), "")
}

func TestHealthyUntilSomethingIsAwayForAMinute(t *testing.T) {
	t.Parallel()
	s, pass := healthAt(0)
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	client := &http.Client{Transport: s.Transport(http.DefaultTransport)}
	get := func(ctx context.Context) {
		t.Helper()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}
	s.Update(one(1, 1, true))
	get(t.Context())
	pass(time.Hour) // a feed without news
	says(t, "idle", s.Healthy(), "")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	get(ended)
	pass(time.Hour)
	says(t, "a request that was given up", s.Healthy(), "")
	for _, status = range []int{http.StatusTooManyRequests, http.StatusBadGateway} {
		get(t.Context())
		pass(31 * time.Second)
	}
	says(t, "the server is away", s.Healthy(), server.URL+" has been unavailable for 1 min 02 s")
	says(t, "and so it is not ready", s.Ready(), server.URL+" has been unavailable for 1 min 02 s")
	status = http.StatusNotModified
	get(t.Context())
	says(t, "it is back", s.Healthy(), "")

	p := one(1, 1, true)
	p.Target = seed.TargetProgress{Err: errors.New("secret"), Away: s.now(), Retries: 1}
	s.Update(p)
	pass(time.Minute)
	says(t, "the target is away", s.Healthy(), "")
	pass(time.Second)
	says(t, "for long", s.Healthy(), "the target has been unavailable for 1 min 01 s")
	s.Update(one(2, 2, true))
	says(t, "it is back", s.Healthy(), "")
}

func TestMetricsOfARun(t *testing.T) {
	t.Parallel()
	s, pass := healthAt(0)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Collector())
	if _, err := registry.Gather(); err != nil {
		t.Fatalf("before the start: %v", err)
	}
	p := one(3, 5, true)
	p.Feeds[0].Applied, p.Feeds[0].Waiting, p.Skipped, p.LeftOut, p.Parked, p.Pages, p.Bytes, p.Old = 3, 7, 1, 2, 4, 6, 700, 9
	p.Fetch, p.Decode, p.Apply, p.Commit = time.Second, 2*time.Second, 3*time.Second, 4*time.Second
	p.Target.Retries = 9
	// Another service's feed may have the same name.
	p.Feeds = append(p.Feeds, seed.FeedProgress{Feed: "orders", FeedID: "urn:2", Position: 8, Head: 8, Applied: 1})
	s.Update(p)
	pass(4 * time.Second)
	s.answered("https://shop.example", nil)
	s.answered("https://shop.example", errors.New("refused"))
	const want = `
		eventfeed_seeder_applied_events_total{feed="orders",feed_id="urn:1"} 3
		eventfeed_seeder_applied_events_total{feed="orders",feed_id="urn:2"} 1
		eventfeed_seeder_failed_requests_total{origin="https://shop.example"} 1
		eventfeed_seeder_following 1
		eventfeed_seeder_head{feed="orders",feed_id="urn:1"} 5
		eventfeed_seeder_head{feed="orders",feed_id="urn:2"} 8
		eventfeed_seeder_lag_events{feed="orders",feed_id="urn:1"} 2
		eventfeed_seeder_lag_events{feed="orders",feed_id="urn:2"} 0
		eventfeed_seeder_lag_seconds{feed="orders",feed_id="urn:1"} 4
		eventfeed_seeder_lag_seconds{feed="orders",feed_id="urn:2"} 0
		eventfeed_seeder_last_answer_timestamp_seconds{origin="https://shop.example"} 1.800000004e+09
		eventfeed_seeder_last_commit_timestamp_seconds 1.8e+09
		eventfeed_seeder_left_out_events_total 2
		eventfeed_seeder_old_answers_total 9
		eventfeed_seeder_page_bytes_total 700
		eventfeed_seeder_pages_total 6
		eventfeed_seeder_parked_events{feed="orders",feed_id="urn:1"} 7
		eventfeed_seeder_parked_events{feed="orders",feed_id="urn:2"} 0
		eventfeed_seeder_parked_events_total 4
		eventfeed_seeder_position{feed="orders",feed_id="urn:1"} 3
		eventfeed_seeder_position{feed="orders",feed_id="urn:2"} 8
		eventfeed_seeder_seconds_total{on="apply"} 3
		eventfeed_seeder_seconds_total{on="commit"} 4
		eventfeed_seeder_seconds_total{on="decode"} 2
		eventfeed_seeder_seconds_total{on="fetch"} 1
		eventfeed_seeder_skipped_events_total 1
		eventfeed_seeder_target_retries_total 9
		eventfeed_seeder_target_up 1
		eventfeed_seeder_unroutable_events_total 0
	`
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	var got strings.Builder
	for line := range strings.Lines(recorder.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			got.WriteString(line)
		}
	}
	if want := strings.TrimSpace(strings.ReplaceAll(want, "\t", "")) + "\n"; got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// metrics.md documents every metric of a seeder, and no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan *prometheus.Desc, 100)
	NewHealth(0).Collector().Describe(all)
	close(all)
	shown := 0
	for d := range all {
		shown++
		name := regexp.MustCompile(`eventfeed_seeder_[a-z_]+`).FindString(d.String())
		if !strings.Contains(string(text), "\n| `"+name+"` |") {
			t.Errorf("metrics.md has no %s", name)
		}
	}
	if documented := strings.Count(string(text), "\n| `eventfeed_seeder_"); documented != shown {
		t.Errorf("metrics.md has %d metrics of a seeder, there are %d", documented, shown)
	}
}

// What is kept of a feed is bounded, however long a target is away.
func TestBacklogIsBounded(t *testing.T) {
	t.Parallel()
	var b backlog
	now := time.Unix(0, 0)
	for head := int64(1); head <= 5000; head++ {
		b.note(0, head, now.Add(time.Duration(head)*time.Second))
	}
	if len(b.heads) > maxHeads || b.lag(now.Add(5000*time.Second)) != 4999*time.Second {
		t.Errorf("%d, %s", len(b.heads), b.lag(now.Add(5000*time.Second)))
	}
	b.note(5000, 5000, now)
	if b.lag(now) != 0 {
		t.Error("there is none any more")
	}
}
