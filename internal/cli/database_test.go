package cli

import (
	"strings"
	"testing"
)

// What pgx accepts and we do not has a password that was not encoded: pgx
// would take its end for a host or a name, and say it.
func TestCheckPostgresSaysWhyWithoutThePassword(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"postgres://u:p@h/db":                         "",
		"postgres://u:p%40q@h:1,i:2/db?sslmode=allow": "",
		"postgres:///db?host=/run":                    "",
		"postgres://u:p@sekret@h/db":                  "write %40 for @",
		"postgres://u:1/sekret@h/db":                  "write %40 for @",
		"postgres://u:1#sekret":                       "write %40 for @",
		"postgres://u:sekret%@h/db":                   "write %40 for @",
		"postgres://u:sekret@h:99999/db":              "cannot parse `postgres://u:xxxxx@h:99999/db`: invalid port",
		"postgres://u:sekret@h/db?sslmode=nothing":    "sslmode is invalid",
		"postgres://u:sekret@h/db?pool_max_conns=no":  "cannot parse pool_max_conns",
		"postgres://u:sekret":                         "cannot parse `postgres://u:xxxxx`",
	} {
		err := checkPostgres(raw)
		switch {
		case want == "" && err != nil:
			t.Errorf("checkPostgres(%q): %v", raw, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("checkPostgres(%q) = %v, want %q in it", raw, err, want)
		case err != nil && strings.Contains(err.Error(), "sekret"):
			t.Errorf("checkPostgres(%q) shows it: %v", raw, err)
		}
	}
}
