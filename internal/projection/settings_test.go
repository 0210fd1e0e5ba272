package projection_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

func TestABlockThatChangesASettingOfTheRowsIsRefusedHoweverItDoesSo(t *testing.T) {
	t.Parallel()
	const setup = `CREATE TABLE x (id text, t text);
CREATE FUNCTION lasting() RETURNS text LANGUAGE sql AS $$ SELECT set_config('TimeZone', 'Asia/Kathmandu', false) $$;
CREATE FUNCTION local() RETURNS text LANGUAGE sql AS $$ SELECT set_config('DateStyle', 'German', true) $$;
CREATE FUNCTION its_own() RETURNS text LANGUAGE sql SET TimeZone = 'Asia/Kathmandu' AS $$ SELECT current_setting('TimeZone') $$;
-- on A
INSERT INTO x VALUES (:id, CAST(:time AS text));
`
	for _, c := range []struct{ block, setting string }{
		{"DO $$ BEGIN SET TimeZone TO 'Asia/Kathmandu'; END $$", "TimeZone"},
		{"DO $$ BEGIN SET LOCAL search_path TO pg_catalog, public; END $$", "search_path"},
		{"DO $$ BEGIN SET row_security = off; END $$", "row_security"},
		{"SELECT lasting()", "TimeZone"},
		{"SELECT local()", "DateStyle"},
		{"UPDATE pg_settings SET setting = 'German' WHERE name = 'DateStyle'", "DateStyle"},
		{"SELECT its_own()", ""},
		{"SET LOCAL work_mem = '8MB'", ""},
	} {
		t.Run(c.block, func(t *testing.T) {
			t.Parallel()
			p, err := projection.Parse("test.sql", []byte(setup+c.block+";\n"))
			must.OK(t, err)
			target := onPostgres(t, p, testdb.Postgres(t), options{})
			must.OK(t, target.setup())
			for _, events := range [][]event.Delivered{{at(1, "A", "", ``)}, {at(1, "A", "", ``), at(2, "A", "", ``), at(3, "A", "", ``)}} {
				_, err := target.apply(events...)
				failed, is := errors.AsType[*checkpoint.EventError](err)
				switch {
				case c.setting == "" && err != nil:
					t.Errorf("%d events: %v", len(events), err)
				case c.setting != "" && (!is || failed.Position != 1 || !strings.Contains(err.Error(), "changes the setting "+c.setting+" ")):
					t.Errorf("%d events: %v, want an error of event 1 that names %s", len(events), err, c.setting)
				}
			}
			if rows := target.rows("SELECT count(*) FROM x"); (rows == "0") != (c.setting != "") {
				t.Errorf("%s rows", rows)
			}
		})
	}
}
