package docs_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestSQLReferenceIsTrue runs what the page has to copy, and causes the errors that it lists
// and that a test can cause.
func TestSQLReferenceIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("sql.md")
	must.OK(t, err)
	database := testdb.Postgres(t)
	_, err = storetest.Open(t, database).Create(t.Context(), store.Feed{Name: "orders"})
	must.OK(t, err)
	conn, err := pgx.Connect(t.Context(), testdb.As(database, testdb.Writer))
	must.OK(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, snippet := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(snippet[1], "GRANT") {
			continue // which the writer has
		}
		_, err := conn.Exec(t.Context(), snippet[1])
		must.OK(t, err)
	}
	for call, want := range map[string]string{
		"append('nothing', 'T', 's', '{}')":                   "| 42704 | |",
		"append('orders', '', 's', '{}')":                     "| 22023 | |",
		"append('orders', 'T', 's', '{}', id => 'payment-7')": "| 23505 | `eventfeed_id` |",
	} {
		_, err := conn.Exec(t.Context(), "SELECT eventfeed."+call)
		failed, is := errors.AsType[*pgconn.PgError](err)
		if !is {
			t.Fatalf("%s: %v", call, err)
		}
		row := "| " + failed.Code + " | "
		if failed.ConstraintName != "" {
			row += "`" + failed.ConstraintName + "` "
		}
		if row += "|"; row != want || !strings.Contains(string(page), row) {
			t.Errorf("%s: %v, want the row %s", call, err, want)
		}
	}
}
