package sqlitedb_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

func lockFile(t *testing.T, path string) *sqlitedb.FileLock {
	t.Helper()
	l, err := sqlitedb.TryLock(path)
	if err != nil || l == nil {
		t.Fatalf("lock %s: %v, %v", path, l, err)
	}
	return l
}

// TestLockWhoseFileIsGoneIsLost: who comes next makes another file, and has the
// lock on that.
func TestLockWhoseFileIsGoneIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	l := lockFile(t, path)
	defer l.Release()
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	defer lockFile(t, path).Release()
	select {
	case <-l.Lost():
	case <-time.After(10 * time.Second):
		t.Error("the lock was not told")
	}
}

// TestLockIsOneForAFileByAllItsNames, links among them.
func TestLockIsOneForAFileByAllItsNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, link := filepath.Join(folder, "a.db"), filepath.Join(folder, "b.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	l := lockFile(t, path)
	if second, err := sqlitedb.TryLock(link); second != nil || err != nil {
		t.Errorf("locked by its other name: %v, %v", second, err)
	}
	if held, err := sqlitedb.IsLocked(link); !held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	l.Release()
	lockFile(t, link).Release()
}
