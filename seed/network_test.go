//go:build unix

package seed_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// spoken is what a run logs.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *spoken) count(message string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), message)
}

func (s *spoken) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

// newFile returns a target in a new file.
func newFile(t *testing.T) target {
	t.Helper()
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	return target{seedsqlite.Open(path).Inbox(), sqliteInbox(path), sqliteExec(path)}
}

const (
	tryingAgain  = `msg="cannot fetch, retrying"`
	answersAgain = `msg="server answers again"`
)

// TestFaultsOfTheNetworkChangeNothing: whatever a network does for a while, all
// events come in once and in order.
func TestFaultsOfTheNetworkChangeNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault      string
		attributes map[string]int
		blocks     bool // nothing comes through while it lasts
	}{
		{"latency", map[string]int{"latency": 30, "jitter": 20}, false},
		{"bandwidth", map[string]int{"rate": 40}, false}, // in KB/s
		{"slow_close", map[string]int{"delay": 100}, false},
		{"slicer", map[string]int{"average_size": 50, "size_variation": 40, "delay": 100}, false},
		{"limit_data", map[string]int{"bytes": 4000}, false}, // some documents, and a part of the next
		{"limit_data", map[string]int{"bytes": 300}, true},
		{"limit_data", map[string]int{"bytes": 0}, true},
		{"reset_peer", map[string]int{"timeout": 0}, true},
		{"reset_peer", map[string]int{"timeout": 20}, true},
		{"timeout", map[string]int{"timeout": 20}, true},
	} {
		t.Run(fmt.Sprint(test.fault, test.attributes), func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 95)
			proxy := testproxy.NewFaulty(t, s.Listener.Addr().String())
			proxy.Add(test.fault, test.attributes)
			var said spoken
			to := newFile(t)
			ended := make(chan error, 1)
			go func() {
				_, err := run(t, seed.Config{From: []string{"http://" + proxy.Address() + "/feeds/f"}, Into: to.Target, Prefetch: 3, Logger: said.logger()})
				ended <- err
			}()
			if test.blocks {
				waitUntil(t, func() bool { return said.count(tryingAgain) > 0 })
				proxy.Remove(test.fault)
			}
			must.OK(t, <-ended)
			wantInbox(t, to, 95)
			again, warned := said.count(answersAgain), said.count(tryingAgain)
			if test.blocks && again == 0 || again != warned && again != warned-1 { // the run may end in an outage, of what it does not need
				t.Errorf("said of %d outages that they are over: %s", again, said.text.String())
			}
		})
	}
}

func waitUntil(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}

// TestServerThatGoesAwayIsWaitedFor: in the middle of the seed and at its
// beginning, with one warning; and no longer than patience lasts.
func TestServerThatGoesAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSource(t, 195)
	proxy := testproxy.NewFaulty(t, s.Listener.Addr().String())
	proxy.Down()
	var said spoken
	to, from := newFile(t), []string{"http://" + proxy.Address() + "/feeds/f"}
	_, err := run(t, seed.Config{From: from, Into: to.Target, Patience: 100 * time.Millisecond})
	if err == nil || !strings.HasPrefix(err.Error(), "gave up: ") {
		t.Errorf("patience is over, and it ends with %v", err)
	}
	ended := make(chan error, 1)
	config := seed.Config{From: from, Into: to.Target, Prefetch: 2, Logger: said.logger()}
	var once sync.Once
	config.Progress = func(p seed.Progress) {
		if p.Feeds[0].Position > 0 {
			once.Do(proxy.Down)
		}
	}
	go func() { ended <- seed.Run(t.Context(), config) }()
	for outage := range 2 {
		waitUntil(t, func() bool { return said.count(tryingAgain) == outage+1 })
		time.Sleep(200 * time.Millisecond) // several tries
		if n := said.count(tryingAgain); n != outage+1 {
			t.Errorf("%d warnings of %d outages", n, outage+1)
		}
		proxy.Up()
	}
	must.OK(t, <-ended)
	wantInbox(t, to, 195)
}

// TestConnectionCutAtAnyByteChangesNothing: cut off in a header, in a body or
// between two answers, the target has every event once.
func TestConnectionCutAtAnyByteChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t, 65)
	upstream := s.Listener.Addr().String()
	whole := testproxy.NewCut(t, upstream, -1)
	_, err := run(t, seed.Config{From: []string{"http://" + whole.Address() + "/feeds/f"}, Into: newFile(t).Target, Prefetch: 2})
	must.OK(t, err)
	const cuts = 60
	for i := range int64(cuts) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			at := i // in the first header
			if i >= cuts/4 {
				at = i * whole.Sent() / 2 / cuts // of what is fetched ahead not all is needed, and not all comes
			}
			relay := testproxy.NewCut(t, upstream, at)
			relay.Reset = i%2 == 0
			to := newFile(t)
			end, err := run(t, seed.Config{From: []string{"http://" + relay.Address() + "/feeds/f"}, Into: to.Target, Prefetch: 2})
			must.OK(t, err)
			wantInbox(t, to, 65)
			if end.Position != 65 {
				t.Errorf("ended at position %d", end.Position)
			}
			if relay.Sent() <= at {
				t.Errorf("byte %d of %d was not cut", at, relay.Sent())
			}
		})
	}
}
