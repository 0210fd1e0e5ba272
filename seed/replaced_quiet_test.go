//go:build unix

package seed_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// TestFollowerFillsARestoredTargetOfAQuietFeed: an older copy is moved over the target while the
// feeds have no new events. The follower applies again what the copy lacks, and follows on.
func TestFollowerFillsARestoredTargetOfAQuietFeed(t *testing.T) {
	t.Parallel()
	for name, feeds := range map[string]func(t *testing.T) (from []string, grow func(from, to int)){
		"one feed": func(t *testing.T) ([]string, func(from, to int)) {
			s := newSource(t, 0)
			return []string{s.feed()}, func(from, to int) { s.add(t, from, to) }
		},
		"two feeds": func(t *testing.T) ([]string, func(from, to int)) {
			s, other := newSource(t, 0), newSource(t, 0)
			return []string{s.feed(), other.feed()}, func(from, to int) { s.add(t, from, to); other.add(t, from, to) }
		},
		"a foreign feed": func(t *testing.T) ([]string, func(from, to int)) {
			b := newBlog(t, 1)
			return []string{b.feed()}, func(_, to int) { b.publish(t, to) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "target.db")
			copyTo := func(from, to string) {
				withSQLite(t, from, func(db *sql.DB) {
					_, err := db.ExecContext(t.Context(), "VACUUM INTO ?", to)
					must.OK(t, err)
				})
			}
			from, grow := feeds(t)
			into := seedsqlite.Open(path).Inbox()
			grow(1, 25)
			must.OK(t, seed.Run(t.Context(), seed.Config{From: from, Into: into}))
			copyTo(path, path+".copy")
			grow(26, 40)
			f := follow(t, seed.Config{From: from, Into: into, Patience: -1}) // it polls for half a minute, or sleeps for a whole one
			f.wait(t, 40)
			for range 2 {
				waitInbox(t, path, 40*len(from))
				copyTo(path+".copy", path+".moved")
				must.OK(t, os.Rename(path+".moved", path))
				f.wait(t, 25)
				f.wait(t, 40)
			}
			waitInbox(t, path, 40*len(from))
			if name != "a foreign feed" {
				grow(41, 45)
				waitInbox(t, path, 45*len(from))
			}
			if err := f.stop(); err != nil {
				t.Errorf("stopped with %v", err)
			}
		})
	}
}

// waitInbox waits until an inbox has a number of events.
func waitInbox(t *testing.T, path string, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := len(querySQLite(t, path, "SELECT id FROM eventfeed_inbox_events"))
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events are in the inbox, want %d", got, want)
		}
	}
}
