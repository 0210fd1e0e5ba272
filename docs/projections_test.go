package docs_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	projectionpostgres "github.com/eventfeed/eventfeed/internal/projection/postgres"
	projectionsqlite "github.com/eventfeed/eventfeed/internal/projection/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

const projectionData = `{"customer": "Ann", "total": 12.5, "contact": {"email": "ann@example.org"}, "amount": 3,
	"lines": [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 1}]}`

// TestProjectionsOfTheDocument runs each of them for an event of each of its types.
func TestProjectionsOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("projections.md")
	must.OK(t, err)
	shown := regexp.MustCompile("(?s)\n```sql( [a-z]+)?\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if len(shown) != 8 {
		t.Fatalf("%d projections", len(shown))
	}
	for i, match := range shown {
		database, name := strings.TrimSpace(match[1]), fmt.Sprint(i+1)
		if database != "sqlite" {
			t.Run(name+" on PostgreSQL", func(t *testing.T) { t.Parallel(); projectOnPostgres(t, match[2]) })
		}
		if database != "postgresql" {
			t.Run(name+" on SQLite", func(t *testing.T) { t.Parallel(); projectOnSQLite(t, match[2]) })
		}
	}
}

func parseProjection(t *testing.T, text string) (*projection.Projection, checkpoint.Batch) {
	t.Helper()
	p, err := projection.Parse("example.sql", []byte(text))
	must.OK(t, err)
	var b checkpoint.Batch
	for i, name := range p.Types() {
		feed, kind, named := strings.Cut(name, "/")
		if !named {
			feed, kind = "orders", name
		}
		b.Events = append(b.Events, event.Delivered{Feed: feed, Live: true, Placed: event.Placed{Position: int64(i + 1), Event: event.Event{
			ID: fmt.Sprint(i), Source: "/", Type: kind, Subject: "o1", Time: time.Now(), Data: []byte(projectionData),
			DataSchema: "https://schemas.shop.example/order/1.json",
		}}})
	}
	return p, b
}

func projectOnPostgres(t *testing.T, text string) {
	p, b := parseProjection(t, text)
	s := projectionpostgres.New(p, "example", true)
	must.OK(t, pgx.BeginFunc(t.Context(), open(t, testdb.Postgres(t)), func(tx pgx.Tx) error {
		must.OK(t, s.Setup(t.Context(), tx))
		must.OK(t, s.Prepare(t.Context(), tx))
		_, err := s.Apply(t.Context(), tx, b)
		return err
	}))
}

func projectOnSQLite(t *testing.T, text string) {
	p, b := parseProjection(t, text)
	db, err := sqlitedb.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "example.db"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	s := projectionsqlite.New(p, true)
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{})
	must.OK(t, err)
	must.OK(t, s.Setup(t.Context(), tx))
	must.OK(t, s.Prepare(t.Context(), tx))
	_, err = s.Apply(t.Context(), tx, b)
	must.OK(t, err)
	must.OK(t, tx.Commit())
}

// TestCommandsOfProjections runs every line of shell that the document shows.
func TestCommandsOfProjections(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("projections.md")
	must.OK(t, err)
	folder := t.TempDir()
	first := regexp.MustCompile("(?s)\n```sql\n(.*?)\n```").FindSubmatch(text)
	for _, name := range []string{"orders.sql", "orders_v2.sql"} {
		must.OK(t, os.WriteFile(filepath.Join(folder, name), first[1], 0o600))
	}
	address := fmt.Sprintf("127.0.0.1:%d", testprocess.FreePorts(t, 1))
	replace := strings.NewReplacer("127.0.0.1:8080", address, "https://staging.shop.example", "http://"+address, "postgres:///shipping", "'"+testdb.Postgres(t)+"'")
	run := func(line string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", replace.Replace(line))
		command.Env, command.Dir = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH")), folder
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	run("feedserver create orders --db sqlite:log.db")
	run(`feedserver append orders --db sqlite:log.db <<< '{"specversion":"1.0","id":"1","source":"/","type":"OrderCreated","subject":"o1","data":{"customer":"Ann","total":1.5}}'`)
	server := exec.CommandContext(t.Context(), filepath.Join(programs, "feedserver"), "serve", "--db", "sqlite:log.db", "--listen", address)
	server.Dir = folder
	must.OK(t, server.Start())
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	var lines []string
	for _, match := range regexp.MustCompile("(?s)\n *```sh\n(.*?)\n *```").FindAllSubmatch(text, -1) {
		lines = append(lines, strings.Split(string(match[1]), "\n")...)
	}
	if len(lines) != 7 {
		t.Fatalf("%d lines", len(lines))
	}
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(run("seeder inspect --patience 30s http://127.0.0.1:8080/feeds/orders --json"), `"position": 1,`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the event is pending still")
		}
	}
	var said strings.Builder
	for _, line := range lines {
		said.WriteString(run(line))
	}
	if n := strings.Count(said.String(), "orders: 1 event applied"); n != 4 {
		t.Errorf("applied %d times:\n%s", n, &said)
	}
}

// TestRecipeForCIIsTested compares it with the script that runs it.
func TestRecipeForCIIsTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("projections.md")
	must.OK(t, err)
	_, section, _ := strings.Cut(string(text), "\n## Find a changed schema in CI\n")
	section, _, _ = strings.Cut(section, "\n## ")
	script, err := os.ReadFile("../cmd/testdata/ci.txtar")
	must.OK(t, err)
	blocks := regexp.MustCompile("(?s)\n```(?:sh|sql)\n(.*?\n)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		if want := strings.ReplaceAll(block[1], "https://staging.shop.example", "$STAGING"); !strings.Contains(string(script), want) {
			t.Errorf("the script lacks:\n%s", want)
		}
	}
}
