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

// TestFollowerGoesOnWithTheFileThatIsAtTheTargetsPath: someone moves, removes or
// replaces the target. All events are in the file that is there in the end, once.
func TestFollowerGoesOnWithTheFileThatIsAtTheTargetsPath(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string, waitsForIt func()){
		"an older copy is moved over it": func(t *testing.T, path string, _ func()) {
			must.OK(t, os.Rename(path+".copy", path))
		},
		"it is removed, and an older copy moved there": func(t *testing.T, path string, waitsForIt func()) {
			must.OK(t, os.Remove(path))
			waitsForIt()
			must.OK(t, os.Rename(path+".copy", path))
		},
		"it is removed, and a database without our tables is moved there": func(t *testing.T, path string, waitsForIt func()) {
			must.OK(t, os.Remove(path))
			waitsForIt()
			db, err := sql.Open("sqlite", path+".new")
			must.OK(t, err)
			_, err = db.ExecContext(t.Context(), "CREATE TABLE mine (n)")
			must.OK(t, err)
			must.OK(t, db.Close())
			must.OK(t, os.Rename(path+".new", path))
		},
		"it is moved away and back": func(t *testing.T, path string, waitsForIt func()) {
			must.OK(t, os.Rename(path, path+".away"))
			waitsForIt()
			if _, err := os.Stat(path); err == nil {
				t.Error("a file was made")
			}
			must.OK(t, os.Rename(path+".away", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, path := newSource(t, 25), filepath.Join(t.TempDir(), "target.db")
			var said spoken
			f := follow(t, seed.Config{
				From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox(), PollInterval: 10 * time.Millisecond, Wait: -1,
				Patience: -1, Logger: said.logger(),
			})
			f.wait(t, 25)
			db, err := sql.Open("sqlite", path)
			must.OK(t, err)
			_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", path+".copy")
			must.OK(t, err)
			must.OK(t, db.Close())
			s.add(t, 26, 40)
			f.wait(t, 40)

			next := 41
			change(t, path, func() {
				s.add(t, next, 45)
				next = 46
				for said.count("the database file is missing") == 0 {
					time.Sleep(10 * time.Millisecond)
				}
			})
			s.add(t, next, 60)
			f.wait(t, 60)
			if err := f.stop(); err != nil {
				t.Errorf("stopped with %v", err)
			}
			wantInbox(t, target{inbox: sqliteInbox(path)}, 60)
		})
	}
}
