// Package internal_test holds rules about the whole module.
package internal_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/eventfeed/eventfeed/"

// TestPublicPackagesLinkNoMoreThanTheyNeed: whoever imports one of them links all
// that it imports, and drivers and parsers of feeds are large.
func TestPublicPackagesLinkNoMoreThanTheyNeed(t *testing.T) {
	t.Parallel()
	const (
		pgx        = "github.com/jackc/pgx"
		sqlite     = "modernc.org/sqlite"
		feedReader = "github.com/mmcdole/gofeed"
		nats       = "github.com/nats-io/nats.go"
	)
	tests := []string{"testing", "net/http/httptest", "github.com/rogpeppe/go-internal",
		module + "internal/testing"}
	for pkg, never := range map[string][]string{
		"event":                        {pgx, sqlite, feedReader, "database/sql", "net/http"},
		"outbox":                       {sqlite, feedReader},
		"entity":                       {sqlite, feedReader},
		"seed":                         {pgx, sqlite, nats},
		"seed/seedpgx":                 {sqlite},
		"seed/seedsqlite":              {pgx},
		"seed/seednats":                {pgx, sqlite},
		"internal/checkpoint":          {pgx, sqlite, feedReader},
		"internal/projection":          {pgx, sqlite, feedReader},
		"internal/db/explain/postgres": {sqlite},
		"internal/db/explain/sqlite":   {pgx},
		"internal/db/migrate":          {pgx, sqlite},
		"internal/db/migrate/postgres": {sqlite},
		"internal/db/migrate/sqlite":   {pgx},
		"internal/db/postgres":         {sqlite},
		"internal/db/sqlite":           {pgx},
	} {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg).Output()
			if err != nil {
				t.Fatal(err)
			}
			for linked := range strings.Lines(string(out)) {
				linked = strings.TrimSpace(linked)
				if slices.ContainsFunc(slices.Concat(never, tests), func(folder string) bool {
					return linked == folder || strings.HasPrefix(linked, folder+"/")
				}) {
					t.Errorf("links %s", linked)
				}
			}
		})
	}
}
