package sqlitedb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

func TestPathDecodesAndNamesWhatItRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct{ path, refusal string }{
		"sqlite:shop.db":                             {path: "shop.db"},
		"sqlite://shop.db":                           {path: "shop.db"},
		"sqlite:///var/lib/shop.db":                  {path: "/var/lib/shop.db"},
		"sqlite:////var//lib/shop.db":                {path: "/var//lib/shop.db"},
		"sqlite:data/":                               {refusal: "is a folder"},
		"sqlite: shop.db":                            {refusal: "begins or ends with a space"},
		"sqlite:shop.db%20":                          {refusal: "begins or ends with a space"},
		"sqlite:./file:shop.db":                      {path: "./file:shop.db"},
		"sqlite:a b@c&d;e=f.db":                      {path: "a b@c&d;e=f.db"},
		"sqlite:my%20shop%231%25.db":                 {path: "my shop#1%.db"},
		"sqlite:shop.db?mode=ro":                     {refusal: "options (mode) are not supported"},
		"sqlite:shop.db?_pragma=key(sekret)&mode=ro": {refusal: "options (_pragma, mode) are not supported"},
		"sqlite://shop.db?cache=shared":              {refusal: "options (cache) are not supported"},
		"sqlite:shop.db%3Fmode=ro":                   {refusal: "options (mode) are not supported"},
		"sqlite:shop.db?":                            {refusal: "options () are not supported"},
		"sqlite:shop.db#main":                        {refusal: "fragments (#…) are not supported"},
		"sqlite:shop.db#a?mode=ro":                   {refusal: "options (mode)"},
		"sqlite:100%.db":                             {refusal: "write %25"},
		"sqlite:shop%00.db":                          {refusal: "control character"},
		"sqlite:shop.db\n":                           {refusal: "control character"},
		"sqlite:file:shop.db":                        {refusal: "the prefix file: is not supported"},
		"sqlite:FILE:shop.db":                        {refusal: "the prefix FILE: is not supported"},
		"sqlite://file:shop.db":                      {refusal: "the prefix file: is not supported"},
		"sqlite:file%3Ashop.db":                      {refusal: "the prefix file: is not supported"},
		"sqlite:file:shop.db?mode=memory":            {refusal: "options (mode) are not supported"},
		"sqlite:sqlite:shop.db":                      {refusal: "the prefix sqlite: is not supported"},
		"sqlite::memory:":                            {refusal: "in memory"},
		"sqlite://:memory:":                          {refusal: "in memory"},
		"sqlite:///:memory:":                         {refusal: "in memory"},
		"sqlite::memory:?cache=shared":               {refusal: "options (cache) are not supported"},
		"sqlite:":                                    {refusal: "path of the SQLite file is missing"},
		"sqlite://":                                  {refusal: "path of the SQLite file is missing"},
		"shop.db":                                    {refusal: "must be sqlite:PATH"},
	} {
		path, err := sqlitedb.Path(url)
		switch {
		case want.refusal == "" && (err != nil || path != want.path):
			t.Errorf("Path(%q) = %q, %v; want %q", url, path, err, want.path)
		case want.refusal != "" && (err == nil || !strings.Contains(err.Error(), want.refusal)):
			t.Errorf("Path(%q) = %q, %v; want %q in the error", url, path, err, want.refusal)
		case err != nil && strings.Contains(err.Error(), "sekret"):
			t.Errorf("Path(%q) shows an option's value: %v", url, err)
		}
	}
}

func TestNoOpenMakesAFileOutOfADataSourceName(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"a.db?mode=ro", "file:b.db", "sqlite:c.db", ":memory:", "d.db\x00"} {
		path := filepath.Join(folder, name)
		if strings.Contains(name, ":") && name != ":memory:" {
			path = name // a prefix stands first
		}
		if db, err := sqlitedb.OpenWriter(t.Context(), path); err == nil {
			_ = db.Close()
			t.Errorf("OpenWriter(%q) opened it", path)
		}
		if db, err := sqlitedb.Look(t.Context(), path); err == nil {
			_ = db.Close()
			t.Errorf("Look(%q) opened it", path)
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) > 0 {
		t.Errorf("files in the folder: %v, %v; want none", files, err)
	}
}
