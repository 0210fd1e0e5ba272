package orders_test

import (
	"database/sql"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/examples/orders"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// startPython places order 1 in a shop, and returns the client in Python, with no rights
// but those of eventfeed's roles and on the shop's table.
func startPython(t *testing.T) (db *sql.DB, python func(arguments ...string) string) {
	t.Helper()
	interpreter, shop := need.Tool(t, "psycopg"), testdb.Postgres(t)
	newShop(t, build(t), shop)
	db = open(t, shop)
	do(t, db, "1", time.Time{}, orders.Place("Ada", "1 Main Street", 1995))
	_, err := db.ExecContext(t.Context(), `
		INSERT INTO orders (id, customer, address, status, total) VALUES ('1', 'Ada', '1 Main Street', 'created', 1995);
		GRANT SELECT, UPDATE ON orders TO `+testdb.Client)
	must.OK(t, err)
	return db, func(arguments ...string) string {
		arguments = append([]string{"python/orders.py", testdb.As(shop, testdb.Client)}, arguments...)
		out, err := exec.CommandContext(t.Context(), interpreter, arguments...).CombinedOutput()
		if err != nil {
			return "failed: " + string(out)
		}
		return string(out)
	}
}

func TestPythonKeepsTheSameRules(t *testing.T) {
	t.Parallel()
	db, python := startPython(t)
	for _, step := range []struct{ arguments, want string }{
		{"1", `order 1 at version 1 (events folded: 1): {"customer": "Ada", "address": "1 Main Street", "total": 1995, "status": "created"}`},
		{"1 pay", "failed: order 1: refused: the order is created: it must be approved for OrderPaid"},
		{"2 pay", "failed: order 2: refused: there is no such order"},
		{"1 approve", `order 1 at version 2 (events folded: 2): {"customer": "Ada", "address": "1 Main Street", "total": 1995, "status": "approved"}`},
		{"1 change-address London", `order 1 at version 3 (events folded: 3): {"customer": "Ada", "address": "London", "total": 1995, "status": "approved"}`},
		{"1 change-address London", `order 1 at version 3 (events folded: 3): {"customer": "Ada", "address": "London", "total": 1995, "status": "approved"}`},
		{"1 pay", `order 1 at version 4 (events folded: 4): {"customer": "Ada", "address": "London", "total": 1995, "status": "paid"}`},
		{"1 prepare", `order 1 at version 5 (events folded: 5): {"customer": "Ada", "address": "London", "total": 1995, "status": "prepared"}`},
		{"1 ship", `order 1 at version 6 (events folded: 6): {"customer": "Ada", "address": "London", "total": 1995, "status": "shipped"}`},
		{"1 change-address Paris", "failed: order 1: refused: the order is shipped: its address can no longer be changed"},
	} {
		if printed := python(strings.Fields(step.arguments)...); strings.TrimSpace(printed) != step.want {
			t.Errorf("orders.py %s: %s\nwant: %s", step.arguments, printed, step.want)
		}
	}
	o, err := orders.Repository.Load(t.Context(), entity.SQL(db), "1")
	must.OK(t, err)
	if want := (orders.Order{Customer: "Ada", Address: "London", Total: 1995, Status: orders.Shipped}); o.State != want {
		t.Errorf("in Go the order is %+v", o.State)
	}
	var row, by string
	must.OK(t, db.QueryRowContext(t.Context(), `
		SELECT o.address || ' ' || o.status, e.extensions ->> 'authid'
		FROM orders o, eventfeed.load('orders', o.id, after => 5) e WHERE o.id = '1'`).Scan(&row, &by))
	if row != "London shipped" || by != "orders.py" {
		t.Errorf("its row is %s, it was shipped by %s", row, by)
	}
}

func TestPythonKeepsSnapshots(t *testing.T) {
	t.Parallel()
	db, python := startPython(t)
	do(t, db, "1", time.Time{}, moves(1100)) // more than one call of eventfeed.load returns
	for _, want := range []string{"order 1 at version 1101 (events folded: 1101): ", "order 1 at version 1101 (events folded: 0): "} {
		if printed := python("1"); !strings.HasPrefix(printed, want) || !strings.Contains(printed, `"address": "1100 Long Road"`) {
			t.Errorf("orders.py 1: %s, want %s", printed, want)
		}
	}
}

// Of two programs that decide on the same version one loses, and decides again.
func TestPythonLosesARaceAndDecidesAgain(t *testing.T) {
	t.Parallel()
	db, python := startPython(t)
	for _, step := range []string{"approve", "pay", "prepare"} {
		tx, err := db.BeginTx(t.Context(), nil)
		must.OK(t, err)
		_, err = tx.ExecContext(t.Context(), "SELECT FROM orders WHERE id = '1' FOR UPDATE")
		must.OK(t, err)
		var both sync.WaitGroup
		var done atomic.Int64
		for range 2 {
			both.Go(func() {
				switch printed := python("1", step); {
				case strings.HasPrefix(printed, "order 1 "):
					done.Add(1)
				case !strings.HasPrefix(printed, "failed: order 1: refused: "):
					t.Error(printed)
				}
			})
		}
		eventually(t, "both have loaded the order, and wait for its row", func() (isSo bool) {
			must.OK(t, db.QueryRowContext(t.Context(), `
				SELECT count(DISTINCT l.pid) = 2 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
				WHERE NOT l.granted AND a.datname = current_database()`).Scan(&isSo))
			return isSo
		})
		must.OK(t, tx.Rollback())
		both.Wait()
		if n := done.Load(); n != 1 {
			t.Errorf("%d of 2 were allowed to %s the order", n, step)
		}
	}
}
