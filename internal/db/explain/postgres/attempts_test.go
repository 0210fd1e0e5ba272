package explainpostgres_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// With sslmode=prefer pgx tries with TLS first, and again without it. What is said is
// why the last one failed, once and in one line.
func TestTextNamesTheTrueReasonOnce(t *testing.T) {
	t.Parallel()
	database := testdb.Postgres(t)
	for name, test := range map[string]struct {
		mode, path, want string
		hides            string
	}{
		"no such database": {"prefer", "/nothing", `failed to connect to ` + "`" + `user=test_owner database=nothing` + "`" + `: `, "TLS"},
		"TLS is demanded":  {"require", "", "server refused TLS connection", "SQLSTATE"},
		"TLS is preferred": {"allow", "/nothing", `database "nothing" does not exist (SQLSTATE 3D000)`, "TLS"},
	} {
		u, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		query.Set("sslmode", test.mode)
		u.RawQuery = query.Encode()
		if test.path != "" {
			u.Path = test.path
		}
		_, err = pgx.Connect(t.Context(), u.String())
		if err == nil {
			t.Errorf("%s: connected", name)
			continue
		}
		text := explainpostgres.Text(fmt.Errorf("open it: %w", err))
		reason := strings.TrimPrefix(test.want, "server ")
		if !strings.HasPrefix(text, "open it: failed to connect") || strings.Count(text, reason) != 1 || strings.Contains(text, test.hides) || strings.Contains(text, "\n") {
			t.Errorf("%s: %q, want %q once, and no %q", name, text, test.want, test.hides)
		}
	}
}
