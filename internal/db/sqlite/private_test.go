//go:build unix

package sqlitedb_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// Whatever opens a file first, and whatever the umask: nobody but its owner can read
// it, nor what is beside it. A file that is there keeps its rights.
func TestAFileThatIsMadeIsItsOwners(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	both := func(ctx context.Context, path string) (*sql.DB, error) {
		writer, reader, err := sqlitedb.OpenBoth(ctx, path)
		if err == nil {
			t.Cleanup(func() { _ = reader.Close() })
		}
		return writer, err
	}
	for name, test := range map[string]struct {
		open func(context.Context, string) (*sql.DB, error)
		link string // to a file that is not there
		mode os.FileMode
		want os.FileMode
	}{
		"a writer":                  {sqlitedb.OpenWriter, "", 0, 0o600},
		"a reader":                  {sqlitedb.OpenReader, "", 0, 0o600},
		"both":                      {both, "", 0, 0o600},
		"a link":                    {sqlitedb.OpenWriter, "target.db", 0, 0o600},
		"a file of a group":         {sqlitedb.OpenWriter, "", 0o660, 0o660},
		"a file that is everyone's": {sqlitedb.OpenWriter, "", 0o666, 0o666},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "x.db")
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if test.link != "" {
			ok(os.Symlink(test.link, path))
		}
		if test.mode != 0 {
			ok(os.WriteFile(path, nil, test.mode))
		}
		db, err := test.open(t.Context(), path)
		ok(err)
		_, _ = db.ExecContext(t.Context(), "CREATE TABLE t (x)") // which a reader may not
		lock, err := sqlitedb.TryLock(path)
		ok(err)
		entries, err := os.ReadDir(folder)
		ok(err)
		for _, e := range entries {
			info, err := os.Stat(filepath.Join(folder, e.Name()))
			ok(err)
			want := test.want
			if strings.HasSuffix(e.Name(), ".lock") {
				want = 0o600
			}
			if info.Mode().Perm() != want {
				t.Errorf("%s: %s has mode %o, want %o", name, e.Name(), info.Mode().Perm(), want)
			}
		}
		lock.Release()
		ok(db.Close())
	}
}
