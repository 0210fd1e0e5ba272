package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// TestLogGoesOnWithTheFileThatIsAtItsPath: a server has the file open, and someone
// puts another one there. What is appended there is published, and nothing goes to
// the file that nobody finds any more.
func TestLogGoesOnWithTheFileThatIsAtItsPath(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, l *store.Log, path string) (inNew int){
		"moved over": func(t *testing.T, _ *store.Log, path string) int {
			another := filepath.Join(t.TempDir(), "another.db")
			makeLog(t, another, 40)
			must.OK(t, os.Rename(another, path))
			return 40
		},
		"moved over with its WAL": func(t *testing.T, _ *store.Log, path string) int {
			another := filepath.Join(t.TempDir(), "another.db")
			makeLog(t, another, 30)
			_, err := openRaw(t, another).ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0")
			must.OK(t, err)
			kept := openRaw(t, another) // so that the WAL is not moved into the file
			var n int
			must.OK(t, kept.QueryRowContext(t.Context(), "SELECT count(*) FROM eventfeed_feeds").Scan(&n))
			more, err := sqlite.Open(t.Context(), another, false)
			must.OK(t, err)
			storetest.Append(t, store.New(more), "f", storetest.Events(31, 40))
			storetest.Drain(t, store.New(more), "f")
			more.Close()
			// First the WAL, as whoever knows of it does.
			for _, suffix := range []string{"-wal", ""} {
				content, err := os.ReadFile(another + suffix)
				must.OK(t, err)
				must.OK(t, os.WriteFile(path+".new"+suffix, content, 0o600))
			}
			must.OK(t, os.Rename(path+".new-wal", path+"-wal"))
			must.OK(t, os.Rename(path+".new", path))
			return 40
		},
		"moved away and another one moved there": func(t *testing.T, _ *store.Log, path string) int {
			must.OK(t, os.Rename(path, path+".old"))
			another := filepath.Join(t.TempDir(), "another.db")
			makeLog(t, another, 40)
			must.OK(t, os.Rename(another, path))
			wantWhole(t, path+".old", 30)
			return 40
		},
		"removed and created": func(t *testing.T, l *store.Log, path string) int {
			must.OK(t, os.Remove(path))
			wantGone(t, l)
			makeLog(t, path, 12)
			return 12
		},
		"removed, and a backup copied there": func(t *testing.T, l *store.Log, path string) int {
			backup := filepath.Join(t.TempDir(), "backup.db")
			_, err := openRaw(t, path).ExecContext(t.Context(), "VACUUM INTO ?", backup)
			must.OK(t, err)
			storetest.Append(t, l, "f", storetest.Events(31, 35))
			must.OK(t, os.Remove(path))
			wantGone(t, l)
			content, err := os.ReadFile(backup)
			must.OK(t, err)
			must.OK(t, os.WriteFile(path, content, 0o600))
			return 30
		},
		"moved away and back": func(t *testing.T, l *store.Log, path string) int {
			must.OK(t, os.Rename(path, path+".away"))
			wantGone(t, l)
			if _, err := l.Append(t.Context(), "f", storetest.Events(31, 31)); !errors.Is(err, sqlitedb.ErrGone) {
				t.Errorf("append to a file that is not there: %v", err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file was made: %v", err)
			}
			must.OK(t, os.Rename(path+".away", path))
			return 30
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "shop.db")
			l := storetest.Open(t, sqlitedb.Scheme+path)
			storetest.Create(t, l, "f", 10)
			storetest.Append(t, l, "f", storetest.Events(1, 30))
			storetest.Drain(t, l, "f")
			publishing(t, l)
			changes := watching(t, l)

			inNew := change(t, l, path)
			waitPosition(t, l, int64(inNew))
			// Another program opens what is there, and a change of its wakes who waits.
			writer, err := sqlite.Open(t.Context(), path, false)
			must.OK(t, err)
			defer writer.Close()
			select {
			case <-changes:
			default:
			}
			storetest.Append(t, store.New(writer), "f", storetest.Events(1001, 1005))
			<-changes
			waitPosition(t, l, int64(inNew+5))
			storetest.Append(t, l, "f", storetest.Events(2001, 2005))
			waitPosition(t, l, int64(inNew+10))
			storetest.Verify(t, l, "f")
			wantWhole(t, path, inNew+10)
		})
	}
}

// makeLog makes a log with a feed, and closes it.
func makeLog(t *testing.T, path string, events int) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, true)
	must.OK(t, err)
	defer db.Close()
	l := store.New(db)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, events))
	storetest.Drain(t, l, "f")
}

func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// publishing runs sequencer and sealer, as a server does.
func publishing(t *testing.T, l *store.Log) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- publish.Run(ctx, publish.Config{Log: l}) }()
	t.Cleanup(func() {
		stop()
		must.OK(t, <-done)
	})
}

// watching returns a channel that gets a value at changes.
func watching(t *testing.T, l *store.Log) <-chan struct{} {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	changes, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Watch(ctx, func(string) {
			select {
			case changes <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return changes
}

// wantGone waits until the log has noticed that there is no file.
func wantGone(t *testing.T, l *store.Log) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, err := l.Feed(t.Context(), "f")
		if errors.Is(err, sqlitedb.ErrGone) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the file is gone, reading says %v", err)
		}
	}
}

func waitPosition(t *testing.T, l *store.Log, position int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		f, err := l.Feed(t.Context(), "f")
		if err == nil && f.Position == position {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("feed at %d, want %d: %v", f.Position, position, err)
		}
	}
}

// wantWhole looks into a file as another program would.
func wantWhole(t *testing.T, path string, events int) {
	t.Helper()
	db := openRaw(t, path)
	var check string
	must.OK(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&check))
	var count int
	must.OK(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM eventfeed_events").Scan(&count))
	if check != "ok" || count != events {
		t.Errorf("%s: %s, %d events, want %d", path, check, count, events)
	}
}
