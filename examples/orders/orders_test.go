package orders_test

import (
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

const patience = time.Minute

// The shipments are what the orders say, and the feed holds an event for each
// step of an order that was committed and for no other: first read as a
// history, then as it grows.
func TestShippingHoldsWhatTheShopDoes(t *testing.T) {
	t.Parallel()
	programs := build(t)
	for name, test := range map[string]struct {
		database func(testing.TB) string
		shipping []string // what fills the shipments, but for its databases
	}{
		"sqlite, by a program":        {testdb.SQLite, []string{"shipping"}},
		"postgres, by a program":      {testdb.Postgres, []string{"shipping"}},
		"sqlite, by the projection":   {testdb.SQLite, []string{"seeder", "run", "--projection", "shipping.sql", "--strict"}},
		"postgres, by the projection": {testdb.Postgres, []string{"seeder", "run", "--projection", "shipping.sql", "--strict"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := test.database
			shop, shipping := database(t), database(t)
			log := storetest.Open(t, shop)
			if _, err := log.Create(t.Context(), store.Feed{Name: "orders", PageSize: 50, Entities: true}); err != nil {
				t.Fatal(err)
			}
			url := servertest.Publish(t, log).URL + "/feeds/orders"

			run(t, programs, "shop", "--db", shop, "--orders", "100")
			eventually(t, "all of the history is in archives or the subscription document", func() bool {
				f, pending := state(t, log)
				return pending == 0 && served(t, url) == f.Position
			})
			fill := append(slices.Clip(test.shipping), "--from", url, "--into", shipping)
			run(t, programs, fill[0], fill[1:]...)
			orders := table(t, shop, ordersQuery)
			if shipments := shipments(t, shipping); len(orders) != 100 || !maps.Equal(orders, shipments) {
				t.Fatalf("orders:\n%v\nshipments:\n%v", orders, shipments)
			}
			f, _ := state(t, log)
			if committed, declined := count(orders); f.Position != committed || declined == 0 || f.Archives == 0 {
				t.Fatalf("the feed has %d events and %d archives; want %d events, with %d payments declined, for %v", f.Position, f.Archives, committed, declined, orders)
			}

			follower := start(t, programs, fill[0], append(fill[1:], "--follow")...)
			run(t, programs, "shop", "--db", shop, "--orders", "30", "--seed", "2")
			orders = table(t, shop, ordersQuery)
			eventually(t, "what is new is followed", func() bool { return maps.Equal(orders, shipments(t, shipping)) })
			if err := follower.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := follower.Wait(); err != nil {
				t.Fatalf("shipping --follow, when it was asked to end: %v\n%s", err, follower.Stderr)
			}
			f, _ = state(t, log)
			if committed, _ := count(orders); len(orders) != 130 || f.Position != committed {
				t.Fatalf("the feed has %d events, want %d for %v", f.Position, committed, orders)
			}
		})
	}
}

const ordersQuery = "SELECT id, customer || ', ' || address || ' ' || status FROM orders"

// count returns how many events orders in these states have, and how many of
// them had a step rolled back, since their payment was declined.
func count(orders map[string]string) (committed, declined int64) {
	for _, o := range orders {
		switch {
		case strings.HasSuffix(o, " approved"):
			committed, declined = committed+2, declined+1
		case strings.HasSuffix(o, " paid"):
			committed += 3
		case strings.HasSuffix(o, " delivered"):
			committed += 6
		}
		if strings.Contains(o, " New Street") { // whose customer has moved
			committed++
		}
	}
	return committed, declined
}

// folder has the programs, once they are built.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "eventfeed-orders-"); err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// build builds the programs once, with the flags of make build, so that what they
// import is compiled once for both.
func build(t *testing.T) string {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	return folder
}

var built = sync.OnceValue(func() error {
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", folder+string(filepath.Separator), "./shop", "./shipping", "./mail", "../../cmd/seeder")
	command.Env = append(command.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
})

func start(t *testing.T, programs, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(programs, name), arguments...)
	command.Stdout, command.Stderr = &strings.Builder{}, &strings.Builder{}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

func run(t *testing.T, programs, name string, arguments ...string) (printed string) {
	t.Helper()
	command := start(t, programs, name, arguments...)
	if err := command.Wait(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, command.Stderr)
	}
	return command.Stdout.(*strings.Builder).String()
}

func state(t *testing.T, log *store.Log) (f store.Feed, pending int64) {
	t.Helper()
	f, err := log.Feed(t.Context(), "orders")
	if err == nil {
		pending, err = log.Pending(t.Context(), f.Key)
	}
	if err == nil {
		f, err = log.Feed(t.Context(), "orders") // again: the sequencer may have been here in between
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, pending
}

// served is the last position that the feed's subscription document shows.
func served(t *testing.T, url string) int64 {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	d, err := feed.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return d.Last
}

func shipments(t *testing.T, database string) map[string]string {
	t.Helper()
	return table(t, database, "SELECT order_id, customer || ', ' || address || ' ' || status FROM shipments")
}

func open(t *testing.T, database string) *sql.DB {
	t.Helper()
	driver, source := "pgx", database
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?mode=rw&_txlock=immediate&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// table reads the rows of a query with two columns.
func table(t *testing.T, database, query string) map[string]string {
	t.Helper()
	db := open(t, database)
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := make(map[string]string)
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			t.Fatal(err)
		}
		all[key] = value
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !isSo(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}
