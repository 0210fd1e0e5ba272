package projection_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/projection"
)

func TestNamesSchemaFindsTablesThatNoOtherSchemaReplaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"CREATE TABLE t (n int);\n-- on A\nINSERT INTO t VALUES (:position) ON CONFLICT (n) DO UPDATE SET n = excluded.n WHERE t.n IS DISTINCT FROM excluded.n AND excluded.n IS DISTINCT FROM t.n;": false,
		"CREATE TABLE IF NOT EXISTS shop.t (n int);\n-- on A\n":                                              true,
		"-- on A\nINSERT INTO shop.t VALUES (:position);":                                                    true,
		"-- on A\nINSERT INTO shop . \"t\" VALUES (:position);":                                              true,
		"-- on A\nINSERT INTO /* here */ \"Shop\".t VALUES (1);":                                             true,
		"-- on A\nupdate only shop.t set n = 1;":                                                             true,
		"-- on A\nDELETE FROM shop.t;":                                                                       true,
		"-- on A\nSELECT shop.apply(:data);":                                                                 true,
		"-- on A\nSELECT pg_catalog.now() FROM pg_catalog.pg_class;":                                         false,
		"-- on A\nINSERT INTO t SELECT 'INTO shop.t';":                                                       false,
		"-- on A\nUPDATE t SET n = t.n + 1, m = u.m FROM u;":                                                 false,
		"CREATE INDEX i ON shop.t (n);\n-- on A\n":                                                           true,
		"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $x$ DELETE FROM shop.t $x$;\n-- on A\nSELECT f();": true,
	} {
		p, err := projection.Parse("p.sql", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := p.NamesSchema(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
