package cmd_test

import (
	"context"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// hostileSettings are what makes a session fail, or mean something else, that
// relies on a default.
var hostileSettings = map[string]string{
	"client_encoding":                     "LATIN1",
	"search_path":                         "hostile, pg_catalog, public",
	"TimeZone":                            "Asia/Kathmandu",
	"DateStyle":                           "German",
	"IntervalStyle":                       "sql_standard",
	"statement_timeout":                   "500ms",
	"lock_timeout":                        "10ms",
	"idle_session_timeout":                "1s",
	"idle_in_transaction_session_timeout": "1s",
	"default_transaction_isolation":       "serializable",
	"synchronous_commit":                  "off",
	"standard_conforming_strings":         "off",
	"escape_string_warning":               "off",
	"array_nulls":                         "off",
	"bytea_output":                        "escape",
	"extra_float_digits":                  "-3",
}

// hostile NAME gives the sessions of the database that postgres NAME has made a
// search_path to a schema of shadows, and settings that nobody reckons with. It
// sets NAME_PLAIN to a URL whose sessions have none of it. Where POOLED is set a
// PgBouncer stands before the database after that.
func hostile(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	name := arguments[0]
	database := ts.Getenv(name)
	testdb.Shadow(t, database)
	ts.Check(alter(database, hostileSettings))
	ts.Setenv(name+"_PLAIN", withDefaults(ts, database))
	if ts.Getenv("POOLED") != "" {
		bouncer(ts, false, arguments)
	}
}

func alter(database string, settings map[string]string) error {
	ctx := context.Background()
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	var all strings.Builder
	for setting, value := range settings {
		if !strings.Contains(value, ",") {
			value = "'" + value + "'"
		}
		all.WriteString("ALTER DATABASE " + config.Database + " SET " + setting + " = " + value + ";")
	}
	if _, err := conn.Exec(ctx, all.String()); err != nil {
		return err
	}
	return conn.Close(ctx)
}

// withDefaults returns a database URL that overrides hostileSettings.
func withDefaults(ts *testscript.TestScript, database string) string {
	u, err := url.Parse(database)
	ts.Check(err)
	query := u.Query()
	for setting, value := range map[string]string{
		"client_encoding": "UTF8", "search_path": "public", "TimeZone": "UTC", "DateStyle": "ISO", "statement_timeout": "0", "lock_timeout": "0",
		"standard_conforming_strings": "on", "bytea_output": "hex",
	} {
		query.Set(setting, value)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
