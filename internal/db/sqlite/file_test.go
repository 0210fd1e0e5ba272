package sqlitedb_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// longAgo is when a file was written that is complete.
var longAgo = time.Now().Add(-time.Hour)

// numbers makes a database with a table of one row.
func numbers(t *testing.T, path string, n int) *sql.DB {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), path)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(t.Context(), "CREATE TABLE numbers (n)")
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO numbers VALUES (?)", n)
	must.OK(t, err)
	return db
}

func number(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, "SELECT n FROM numbers").Scan(&n)
	return n, err
}

// What is committed to a file that nobody will find must not count as done.
func TestCommitToAFileThatIsNotAtItsPathFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(path, another string) error
		want   error
	}{
		"removed":    {func(path, _ string) error { return os.Remove(path) }, sqlitedb.ErrGone},
		"moved over": {func(path, another string) error { return os.Rename(another, path) }, sqlitedb.ErrReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, another := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")
			db := numbers(t, path, 1)
			must.OK(t, numbers(t, another, 2).Close())
			must.OK(t, os.Chtimes(another, longAgo, longAgo))
			tx, err := db.BeginTx(t.Context(), nil)
			must.OK(t, err)
			_, err = tx.ExecContext(t.Context(), "UPDATE numbers SET n = 3")
			must.OK(t, err)
			must.OK(t, test.change(path, another))
			if err := tx.Commit(); !errors.Is(err, test.want) {
				t.Errorf("commit: %v, want %v", err, test.want)
			}
		})
	}
}

// A pool tells once that its file was replaced, whoever asks it then, and never
// makes a file that was there.
func TestPoolTellsOnceThatItsFileWasReplaced(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, link, another := filepath.Join(folder, "a.db"), filepath.Join(folder, "link.db"), filepath.Join(folder, "b.db")
	must.OK(t, numbers(t, path, 1).Close())
	must.OK(t, os.Symlink(path, link))
	db, err := sqlitedb.OpenWriter(t.Context(), link)
	must.OK(t, err)
	t.Cleanup(func() { _ = db.Close() })
	if n, err := number(t.Context(), db); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	must.OK(t, os.Remove(path))
	for range 3 {
		if _, err := number(t.Context(), db); !errors.Is(err, sqlitedb.ErrGone) {
			t.Errorf("while there is no file: %v", err)
		}
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) > 0 {
		t.Errorf("at the path: %v, %v; want nothing", files, err)
	}
	must.OK(t, numbers(t, another, 2).Close())
	must.OK(t, os.Chtimes(another, longAgo, longAgo))
	must.OK(t, os.Rename(another, path))
	if _, err := number(t.Context(), db); !errors.Is(err, sqlitedb.ErrReplaced) {
		t.Errorf("first after the replacement: %v", err)
	}
	if n, err := number(t.Context(), db); n != 2 || err != nil {
		t.Errorf("then %d, %v; want 2", n, err)
	}
}

// A pool that nobody uses is told, too, and only of another file.
func TestReplacementIsToldAlsoToAnIdlePool(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, another := filepath.Join(folder, "a.db"), filepath.Join(folder, "b.db")
	db := numbers(t, path, 1)
	must.OK(t, numbers(t, another, 2).Close())
	must.OK(t, os.Chtimes(another, longAgo, longAgo))
	for range 2 {
		replaced, err := sqlitedb.WhenReplaced(t.Context(), db)
		must.OK(t, err)
		must.OK(t, os.Rename(path, path+".away"))
		time.Sleep(100 * time.Millisecond)
		must.OK(t, os.Rename(path+".away", path))
		time.Sleep(100 * time.Millisecond)
		select {
		case <-replaced:
			t.Fatal("it was moved away and back, and is said to be another one")
		default:
		}
		must.OK(t, os.Rename(path, path+".old"))
		must.OK(t, os.Rename(another, path))
		select {
		case <-replaced:
		case <-time.After(20 * time.Second):
			t.Fatal("another file is there, and nobody was told")
		}
		if _, err := number(t.Context(), db); !errors.Is(err, sqlitedb.ErrReplaced) {
			t.Errorf("the pool says %v", err)
		}
		if n, err := number(t.Context(), db); err != nil || n == 0 {
			t.Errorf("then %d, %v", n, err)
		}
		must.OK(t, os.Rename(path+".old", another))
		must.OK(t, os.Chtimes(another, longAgo, longAgo))
	}
}
