// Package docs_test runs what the documents tell their readers to do.
package docs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// recipe is a section of adopt.md that is being followed.
type recipe struct {
	t      *testing.T
	blocks []block
	env    []string
	folder string
	pool   *pgxpool.Pool // the service's database
	target *pgxpool.Pool // the one that is to be filled
}

// block is a piece of SQL or shell in a document; sql new is for the database
// that is to be filled.
type block struct{ language, text string }

var blocks = regexp.MustCompile("(?s)\n```(sql|sql new|sh)\n(.*?)\n```")

// follow begins to follow the section under a heading, on databases of its own.
func follow(t *testing.T, heading string) *recipe {
	t.Helper()
	text, err := os.ReadFile("adopt.md")
	must.OK(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	database, target := testdb.Postgres(t), testdb.Postgres(t)
	port := testprocess.FreePorts(t, 1)
	r := &recipe{t: t, folder: t.TempDir(), pool: open(t, database), target: open(t, target), env: append(os.Environ(),
		"PATH="+programs+":"+need.PostgresBin(t)+":"+os.Getenv("PATH"),
		"DB="+database, "NEW="+target,
		fmt.Sprintf("EVENTFEED_LISTEN=127.0.0.1:%d", port), fmt.Sprintf("FEEDS=http://127.0.0.1:%d/feeds", port))}
	for _, match := range blocks.FindAllStringSubmatch(section, -1) {
		r.blocks = append(r.blocks, block{match[1], match[2]})
	}
	return r
}

func open(t *testing.T, database string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// programs is the folder of feedserver and seeder.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "eventfeed-docs"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(programs) }()
		if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", programs+"/", "../cmd/...").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}())
}

// next runs the next n blocks, as their reader would, and returns what they
// print.
func (r *recipe) next(n int) string {
	r.t.Helper()
	var printed strings.Builder
	for _, b := range r.blocks[:n] {
		command := exec.CommandContext(r.t.Context(), "bash", "-euo", "pipefail", "-c", b.text)
		if b.language != "sh" {
			database := map[string]string{"sql": "DB", "sql new": "NEW"}[b.language]
			command = exec.CommandContext(r.t.Context(), "bash", "-c", `psql -v ON_ERROR_STOP=1 -At "$`+database+`"`)
			command.Stdin = strings.NewReader(b.text)
		}
		command.Env, command.Dir = r.env, r.folder
		log := filepath.Join(r.folder, "log") // a server in the background keeps it open
		file, err := os.Create(log)
		must.OK(r.t, err)
		command.Stdout, command.Stderr = file, file
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		err = command.Run()
		group := -command.Process.Pid
		r.t.Cleanup(func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		out, readErr := os.ReadFile(log)
		must.OK(r.t, readErr)
		if err != nil {
			r.t.Fatalf("%v\n%s\n%s", err, b.text, out)
		}
		printed.Write(out)
	}
	r.blocks = r.blocks[n:]
	return printed.String()
}

// rest runs the blocks that are left.
func (r *recipe) rest() string {
	r.t.Helper()
	return r.next(len(r.blocks))
}

func (r *recipe) query(sql string) (text string) {
	r.t.Helper()
	must.OK(r.t, r.pool.QueryRow(r.t.Context(), sql).Scan(&text))
	return text
}

// sequence lets a server give all events of the service's database their
// positions, and seal all full pages.
func (r *recipe) sequence() {
	r.t.Helper()
	server := exec.CommandContext(r.t.Context(), filepath.Join(programs, "feedserver"), "serve", "--db", r.pool.Config().ConnString(), "--listen", "127.0.0.1:0")
	log, err := os.Create(filepath.Join(r.folder, "sequence.log"))
	must.OK(r.t, err)
	server.Stderr = log
	must.OK(r.t, server.Start())
	serves := func() bool { // and so listens to signals
		text, err := os.ReadFile(log.Name())
		must.OK(r.t, err)
		return strings.Contains(string(text), "msg=serving")
	}
	defer func() {
		must.OK(r.t, server.Process.Signal(syscall.SIGTERM))
		must.OK(r.t, server.Wait())
	}()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if serves() && r.query("SELECT (SELECT count(*) FROM eventfeed.pending) + (SELECT sum(open_page - 1 - archives) FROM eventfeed.feeds) || ''") == "0" {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("events are pending still")
		}
	}
}

func TestRecipeForANewService(t *testing.T) {
	t.Parallel()
	printed := follow(t, "A new service").rest()
	if !strings.Contains(printed, "2|OrderPaid|o-1|{\"amount\": 19.90}") && !strings.Contains(printed, "2 | OrderPaid    | o-1     | {\"amount\": 19.90}") {
		t.Errorf("the other database does not show the events:\n%s", printed)
	}
}

// TestRecipeForAnOutboxTable follows it while a service writes: every row that was written is in the feed once, with its own id and
// time, and the rows of an order are in order.
func TestRecipeForAnOutboxTable(t *testing.T) {
	t.Parallel()
	r := follow(t, "An outbox table")
	r.next(1)
	_, err := r.pool.Exec(t.Context(), `
		INSERT INTO outbox (order_id, event_type, payload, created_at)
		SELECT 'old-' || n % 50, 'OrderChanged', jsonb_build_object('n', n), '2020-01-01'::timestamptz + n * interval '1 minute'
		FROM generate_series(1, 5000) n;
		INSERT INTO outbox (order_id, event_type, payload) VALUES (E'o-1\t', 'OrderCreated', '{}');
		CREATE TABLE written (LIKE outbox);
		INSERT INTO written SELECT * FROM outbox;
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written SELECT NEW.*; RETURN NULL; END $$;
		CREATE TRIGGER note AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION note()`)
	must.OK(t, err)
	stop := atWork(t, 4, func(writer, n int) { write(t, r.pool, writer, n) })
	r.next(2) // feed, recipe
	r.next(1)
	time.Sleep(200 * time.Millisecond)
	stop()
	r.rest()
	r.sequence()
	for question, sql := range map[string]string{
		"rows that are not in the feed": `SELECT (count(*) - 1)::text FROM written o WHERE NOT EXISTS (
			SELECT FROM eventfeed.events e WHERE e.id = o.event_id::text AND e.type = o.event_type AND e.subject = o.order_id
			AND e.time = o.created_at AND convert_from(e.data, 'UTF8')::jsonb = o.payload)`,
		"events that are no rows": `SELECT (count(*) - (SELECT count(*) - 1 FROM written))::text FROM eventfeed.positions`,
		"events out of their order": `SELECT count(*)::text FROM (
			SELECT p.position, lag(p.position) OVER (PARTITION BY o.order_id ORDER BY o.id) AS before
			FROM written o JOIN eventfeed.events e ON e.id = o.event_id::text JOIN eventfeed.positions p USING (insert_no)) x WHERE position < before`,
	} {
		if n := r.query(sql); n != "0" {
			t.Errorf("%s: %s", question, n)
		}
	}
	if reason := r.query("SELECT reason FROM eventfeed.refused"); !strings.Contains(reason, "control character") {
		t.Errorf("the row with a tab was refused as %q", reason)
	}
}

// atWork does something again and again, by several at once, until stop. It is
// told who does it, and for the how manieth time.
func atWork(t *testing.T, workers int, do func(worker, n int)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				do(worker, n)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// write is a transaction of the service: it locks its order first, as one does
// who changes it, and sometimes takes long or is rolled back.
func write(t *testing.T, pool *pgxpool.Pool, writer, n int) {
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		order := fmt.Sprintf("o-%d", n%7)
		_, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(hashtext($1))`, order)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO outbox (order_id, event_type, payload) VALUES ($1, 'OrderChanged', jsonb_build_object('writer', $2::int, 'n', $3::int))`, order, writer, n)
		if err != nil {
			return err
		}
		switch n % 20 {
		case 7:
			time.Sleep(50 * time.Millisecond)
		case 13:
			return context.Canceled // rolls back
		}
		return nil
	})
	if err != nil && n%20 != 13 {
		t.Errorf("the service: %v", err)
	}
}

// TestRecipeForStateOnly follows it while a service writes: the consumer's table
// is the service's.
func TestRecipeForStateOnly(t *testing.T) {
	t.Parallel()
	r := follow(t, "State only")
	r.next(1)
	_, err := r.pool.Exec(t.Context(), `INSERT INTO crm.customers SELECT n, 'created', n / 7.0 FROM generate_series(1, 500) n`)
	must.OK(t, err)
	// Each round of all numbers does with one what stands above what the round before did: it
	// is inserted, changed, given another number and deleted, however late the triggers come.
	statements := []string{
		"DELETE FROM crm.customers WHERE customer_no = $1",
		"UPDATE crm.customers SET customer_no = customer_no + 0.5 WHERE customer_no = $1 AND NOT EXISTS (SELECT FROM crm.customers WHERE customer_no = $1 + 0.5)",
		"UPDATE crm.customers SET name = 'changed', balance = balance + 1 WHERE customer_no = $1",
		"INSERT INTO crm.customers (customer_no, name) VALUES ($1, 'new') ON CONFLICT DO NOTHING",
	}
	stop := atWork(t, 4, func(writer, n int) {
		_, err := r.pool.Exec(t.Context(), statements[(n+writer)%len(statements)], (400+4*n+writer)%700)
		if err != nil {
			t.Errorf("the service: %v", err)
		}
	})
	r.next(1)
	for deadline := time.Now().Add(2 * time.Minute); r.query("SELECT count(DISTINCT type)::text FROM eventfeed.events") != "4"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the service's work did not make events of all types: ", r.query("SELECT string_agg(DISTINCT type, ', ') FROM eventfeed.events"))
		}
	}
	stop()
	r.next(1) // the server
	r.sequence()
	r.rest()
	const content = `SELECT count(*) || ' ' || md5(string_agg(c::text, ',' ORDER BY customer_no)) FROM %s c`
	var copied string
	must.OK(t, r.target.QueryRow(t.Context(), fmt.Sprintf(content, "customers")).Scan(&copied))
	if table := r.query(fmt.Sprintf(content, "crm.customers")); copied != table || len(table) < 36 {
		t.Errorf("the consumer's table has %s, the service's %s", copied, table)
	}
	if _, err := r.pool.Exec(t.Context(), "TRUNCATE crm.customers"); err == nil {
		t.Error("TRUNCATE went past the feed")
	}
}

func TestRecipeWhereNoTriggerIsAllowed(t *testing.T) {
	t.Parallel()
	r := follow(t, "No trigger allowed")
	_, err := r.pool.Exec(t.Context(), `
		CREATE TABLE customer_changes (id bigint PRIMARY KEY, customer text, kind text, change jsonb, at timestamptz);
		INSERT INTO customer_changes SELECT n, 'c-' || n % 10, 'CustomerChanged', jsonb_build_object('n', E'a\nb'), now() - n * interval '1 second' FROM generate_series(1, 100) n`)
	must.OK(t, err)
	if printed := r.next(2); !strings.Contains(printed, "100 events appended in ") {
		t.Error(printed)
	}
	_, err = r.pool.Exec(t.Context(), `INSERT INTO customer_changes VALUES (101, 'c-1', 'CustomerChanged', '{}', now() - interval '5 second')`)
	must.OK(t, err)
	again := follow(t, "No trigger allowed")
	r.blocks = again.blocks[1:]
	if printed := r.next(1); !strings.Contains(printed, "1 event appended, 100 duplicates skipped") {
		t.Error(printed)
	}
	_, err = r.pool.Exec(t.Context(), `INSERT INTO customer_changes VALUES (102, 'c-2', 'CustomerChanged', '{}', now())`)
	must.OK(t, err)
	if printed := r.rest(); !strings.Contains(printed, `"id":"102","source":"/crm","position":102,`) {
		t.Error(printed)
	}
}
