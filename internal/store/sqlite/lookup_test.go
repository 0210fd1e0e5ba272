package sqlite_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// planned is a database that notes the plan of each statement before it runs it.
type planned struct {
	*sql.DB
	t     *testing.T
	plans strings.Builder
}

func (p *planned) QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error) {
	p.plan(ctx, query, arguments)
	return p.DB.QueryContext(ctx, query, arguments...)
}

func (p *planned) QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row {
	p.plan(ctx, query, arguments)
	return p.DB.QueryRowContext(ctx, query, arguments...)
}

func (p *planned) plan(ctx context.Context, query string, arguments []any) {
	rows, err := p.DB.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, arguments...)
	must.OK(p.t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		must.OK(p.t, rows.Scan(&id, &parent, &unused, &detail))
		p.plans.WriteString(detail + "\n")
	}
	must.OK(p.t, rows.Err())
}

func TestLookupsSearchByIndexes(t *testing.T) {
	t.Parallel()
	url := storetest.Databases["sqlite"](t)
	storetest.CreateWithEntities(t, storetest.Open(t, url), "e")
	path, err := sqlitedb.Path(url)
	must.OK(t, err)
	db, err := sqlitedb.OpenReader(t.Context(), path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	ctx, nothing := t.Context(), func(*store.ListedEvent) error { return nil }
	for name, read := range map[string]func(log store.Snapshot) error{
		"list": func(log store.Snapshot) error { return log.List(ctx, 1, 1, 99, store.Filter{Type: "T"}, 51, nothing) },
		"versions": func(log store.Snapshot) error {
			return log.ListVersions(ctx, 1, 1, 99, store.Filter{Subject: "s"}, 51, nothing)
		},
		"recorded": func(log store.Snapshot) error { _, _ = log.RecordedAt(ctx, 1, 1); return nil },
		"page":     func(log store.Snapshot) error { _, _ = log.ClosedPage(ctx, 1, 1); return nil },
		"entity":   func(log store.Snapshot) error { _, err := log.EntityVersion(ctx, 1, "s"); return err },
		"version":  func(log store.Snapshot) error { _, err := log.VersionPosition(ctx, 1, "s", 1); return err },
		"place":    func(log store.Snapshot) error { _, err := log.EntityPlace(ctx, 1, "s", 1); return err },
		"outline":  func(log store.Snapshot) error { _, err := log.EntityOutline(ctx, 1, "s", 1, 9); return err },
		"rows": func(log store.Snapshot) error {
			return log.EntityRows(ctx, 1, "s", 1, 9, 0, func(*store.EntityRow) error { return nil })
		},
		"snapshots": func(log store.Snapshot) error { _, err := log.EntitySnapshots(ctx, 1, "s"); return err },
		"find":      func(log store.Snapshot) error { _, err := log.Find(ctx, 1, "", "x"); return err },
	} {
		noted := &planned{DB: db, t: t}
		must.OK(t, read(sqlite.SnapshotOf(noted)))
		plan := strings.ReplaceAll(noted.plans.String(), "SCAN CONSTANT ROW", "")
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "SCAN eventfeed") || strings.HasPrefix(line, "SCAN e\n") || strings.HasPrefix(line, "SCAN p\n") || strings.HasPrefix(line, "SCAN n\n") {
				t.Errorf("%s: reads a whole table:\n%s", name, plan)
			}
		}
		if !strings.Contains(plan, "SEARCH") || name != "find" && strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: sorts, or uses no index:\n%s", name, plan)
		}
	}
}
