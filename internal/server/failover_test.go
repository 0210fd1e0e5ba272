//go:build unix

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// standby makes a primary with a feed, and a standby of it, both at work.
func standby(t *testing.T) (primary, standby *testcluster.Cluster) {
	t.Helper()
	primary = testcluster.New(t)
	primary.Start(t)
	primary.MakeRoles(t)
	storetest.Create(t, storetest.Open(t, primary.URL()), "f", 10)
	standby = primary.Backup(t, "-R")
	standby.Start(t)
	return primary, standby
}

func hostOf(t *testing.T, database string) string {
	t.Helper()
	parsed, err := url.Parse(database)
	must.OK(t, err)
	return parsed.Host
}

func execute(t *testing.T, c *testcluster.Cluster, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	must.OK(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		must.OK(t, err)
	}
}

// replicated waits until the standby has the feed as the primary has it.
func replicated(t *testing.T, l *store.Log, standby *testcluster.Cluster) {
	t.Helper()
	there := storetest.Open(t, standby.URL())
	await(t, "the standby has it all", func() bool {
		want, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		got, err := there.Feed(t.Context(), "f")
		return err == nil && got.Position == want.Position && got.Archives == want.Archives
	})
}

// TestWhatAnAnswerPromisesIsOfTheSameMomentAsItsBytes fails over to a standby that
// lacks the last moments. What was immutable never comes with other bytes, and
// nothing of the new database is served before it has an epoch of its own: neither
// by the server that knows what was lost, nor by one that does not.
func TestWhatAnAnswerPromisesIsOfTheSameMomentAsItsBytes(t *testing.T) {
	t.Parallel()
	primary, secondary := standby(t)
	through := testproxy.NewSwitch(t, hostOf(t, primary.URL()))
	database := strings.Replace(primary.URL(), hostOf(t, primary.URL()), through.Address(), 1)
	l := storetest.Open(t, database)
	knows := servertest.Run(t, storetest.Open(t, database))
	readNothing := servertest.Run(t, storetest.Open(t, database)) // and so has nothing but the state in memory
	grow := func(first, last int) {
		storetest.Append(t, l, "f", storetest.Events(first, last))
		storetest.Drain(t, l, "f")
	}
	grow(1, 15)
	replicated(t, l, secondary)
	secondary.Stop(t, "fast") // it falls behind
	grow(16, 29)
	lost, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	page := func(epoch string, number int64) string {
		return feed.ArchivePath("f", feed.Page{Epoch: epoch, Number: number})
	}
	paths := []string{"/feeds/f", page(lost.Epoch(), 1), page(lost.Epoch(), 2), "/feeds/f/events/12", "/feeds/f/events/28", "/feeds/f/events/30"}
	before := map[string]string{}
	for _, path := range paths {
		response, body := do(t, "GET", knows.URL+path)
		before[path] = response.Header.Get("Etag") + string(body)
		if path == page(lost.Epoch(), 1) && !strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
			t.Fatalf("%s: %v", path, response.Header)
		}
	}
	do(t, "GET", readNothing.URL+"/feeds/f", "Cache-Control", "no-cache")

	through.To("127.0.0.1:1") // nowhere
	primary.Stop(t, "immediate")
	secondary.Start(t)
	secondary.Promote(t)
	through.To(hostOf(t, secondary.URL()))

	check := func(s, who string) {
		for _, path := range paths {
			for _, header := range [][]string{nil, {"Cache-Control", "no-cache"}, {"If-None-Match", `"x"`}} {
				response, body := do(t, "GET", s+path, header...)
				same := response.StatusCode == 200 && before[path] == response.Header.Get("Etag")+string(body)
				if !same && response.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: %s %v: %d %v", who, path, header, response.StatusCode, response.Header)
				}
			}
		}
	}
	fresh := servertest.Run(t, storetest.Open(t, database))
	for range 3 {
		check(knows.URL, "the server that has read it all")
		check(readNothing.URL, "the server that has read nothing")
		check(fresh.URL, "the server that began after the failover")
	}
	// Others come in the place of what was lost, and the epoch begins with them.
	storetest.Append(t, l, "f", storetest.Events(101, 130))
	check(knows.URL, "the server that has read it all")
	storetest.Drain(t, l, "f")
	for _, s := range []string{knows.URL, readNothing.URL, fresh.URL} {
		await(t, "the new epoch is served", func() bool {
			response, body := do(t, "GET", s+"/feeds/f", "Cache-Control", "no-cache")
			d, err := feed.Decode(body)
			return response.StatusCode == 200 && err == nil && d.Check() == nil && len(d.Epochs) == 2 && d.Last == 45
		})
		for path, want := range map[string]int{page(lost.Epoch(), 1): 410, page(lost.Epoch(), 2): 410, "/feeds/f/events/28": 404, "/feeds/f/events/12": 200} {
			if response, _ := do(t, "GET", s+path); response.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
			}
		}
	}
}

// TestAServerFollowsItsDatabasesNameToTheNewPrimary: connections that were open
// lead to a primary that takes no writes any more, and has nothing to do.
func TestAServerFollowsItsDatabasesNameToTheNewPrimary(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(primary, standby *testcluster.Cluster) *testcluster.Cluster // where the name leads at first
		move   func(t *testing.T, primary, standby *testcluster.Cluster) *testcluster.Cluster
	}{
		"a primary that was fenced": {
			func(primary, _ *testcluster.Cluster) *testcluster.Cluster { return primary },
			func(t *testing.T, primary, standby *testcluster.Cluster) *testcluster.Cluster {
				standby.Promote(t)
				execute(t, primary, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
				return standby
			},
		},
		"a standby before the primary": {
			func(_, standby *testcluster.Cluster) *testcluster.Cluster { return standby },
			func(_ *testing.T, primary, _ *testcluster.Cluster) *testcluster.Cluster { return primary },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, secondary := standby(t)
			l := storetest.Open(t, primary.URL())
			storetest.Append(t, l, "f", storetest.Events(1, 5))
			storetest.Drain(t, l, "f")
			replicated(t, l, secondary)
			first := test.before(primary, secondary)
			through := testproxy.NewSwitch(t, hostOf(t, first.URL()))
			s := servertest.Publish(t, storetest.Open(t, strings.Replace(first.URL(), hostOf(t, first.URL()), through.Address(), 1)))
			await(t, "the feed is served", func() bool {
				response, body := do(t, "GET", s.URL+"/feeds/f")
				return response.StatusCode == 200 && strings.Contains(string(body), `position="5"`)
			})
			last := test.move(t, primary, secondary)
			through.To(hostOf(t, last.URL()))
			storetest.Append(t, storetest.Open(t, last.URL()), "f", storetest.Events(6, 6))
			await(t, "the event of the new primary is served", func() bool {
				_, body := do(t, "GET", s.URL+"/feeds/f")
				return strings.Contains(string(body), fmt.Sprintf("<ce:id>%d</ce:id>", 6))
			})
		})
	}
}
