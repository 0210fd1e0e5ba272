package seed_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// Options of a driver's data source name would silently make another database.
func TestSQLiteTargetsRefuseADataSourceName(t *testing.T) { //nolint:paralleltest // it changes the working directory
	t.Chdir(t.TempDir())
	handle := func(context.Context, *sql.Tx, seed.Batch) error { return nil }
	for _, path := range []string{"shop.db?mode=rwc", "file:shop.db", "sqlite:shop.db", ":memory:", ""} {
		for name, target := range map[string]seed.Target{
			"SQLite": seedsqlite.Open(path).Handle(handle), "SQLiteInbox": seedsqlite.Open(path).Inbox(),
		} {
			config := seed.Config{From: []string{"http://127.0.0.1:1/feeds/orders"}, Into: target}
			if err := seed.Run(t.Context(), config); err == nil || !strings.Contains(err.Error(), "path") {
				t.Errorf("Run into %s(%q): %v; want that the path is refused", name, path, err)
			}
		}
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("files that were made: %v, %v; want none", files, err)
	}
}
