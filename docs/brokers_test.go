//go:build unix

package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// sentMessage is a message in a queue before a consumer starts.
type sentMessage struct {
	generation, position int64
	marker               bool
	otherHistory         bool // its digests are not those of the feed
}

func events(generation int64, positions ...int64) (all []sentMessage) {
	for _, p := range positions {
		all = append(all, sentMessage{generation: generation, position: p})
	}
	return all
}

func marker(generation, position int64) []sentMessage {
	return []sentMessage{{generation: generation, position: position, marker: true}}
}

func ofAnotherHistory(messages []sentMessage) []sentMessage {
	for i := range messages {
		messages[i].otherHistory = true
	}
	return messages
}

// ruleCase is a queue and a checkpoint, and what a consumer does with them.
type ruleCase struct {
	generation, position int64 // of the checkpoint
	queue                []sentMessage
	applied              []int64 // what is applied then, in this order
	follows              int64   // generation in the checkpoint then
	seeded               int     // how often seeder was run
}

// fromFeed are positions up to the feed's end: those that a run of seeder applies.
func fromFeed(first int64) (all []int64) {
	for p := first; p <= ordersEnd; p++ {
		all = append(all, p)
	}
	return all
}

// ordersEnd is the end of the feed of these tests.
const ordersEnd = 12

var ruleCases = map[string]ruleCase{
	"the next events":                      {7, 2, events(7, 3, 4, 5), []int64{3, 4, 5}, 7, 0},
	"duplicates":                           {7, 2, events(7, 1, 2, 3, 3, 2, 4), []int64{3, 4}, 7, 0},
	"a gap":                                {7, 2, events(7, 3, 6, 7), fromFeed(3), 7, 1},
	"a refused message comes after others": {7, 2, events(7, 3, 5, 6, 4, 5, 6, 7), fromFeed(3), 7, 1},
	"a lower generation": {
		7, 2, slices.Concat(events(6, 3, 9), marker(6, 2), events(7, 3)), []int64{3}, 7, 0,
	},
	"a generation begins at the checkpoint": {
		7, 2, slices.Concat(events(7, 3), marker(8, 3), events(7, 4), events(8, 4)), []int64{3, 4}, 8, 0,
	},
	"a generation begins after the checkpoint": {7, 2, slices.Concat(marker(8, 5), events(8, 6)), fromFeed(3), 8, 1},
	"a generation begins before the checkpoint, and the feed has what is applied": {
		7, 2, slices.Concat(marker(8, 1), events(8, 2, 3, 4)), fromFeed(3), 8, 1,
	},
	"a generation without its marker":                        {7, 2, events(8, 3, 4), []int64{3, 4}, 8, 0},
	"a generation without its marker, before the checkpoint": {7, 2, events(8, 2, 3), fromFeed(3), 8, 1},
	"a marker comes again": {
		7, 2, slices.Concat(marker(7, 2), events(7, 3), marker(7, 2), events(7, 4)), []int64{3, 4}, 7, 0,
	},
	"after the seed, older messages": {
		0, 5, slices.Concat(marker(6, 0), events(6, 1, 2, 3), marker(7, 1), events(7, 2, 3, 4, 5, 6)), []int64{6}, 7, 0,
	},
	"after the seed, a marker comes first":         {0, 0, slices.Concat(marker(7, 0), events(7, 1)), []int64{1}, 7, 0},
	"after the seed, a marker is further on":       {0, 2, slices.Concat(marker(7, 4), events(7, 5)), fromFeed(3), 0, 1},
	"after the seed, a message of another history": {0, 2, ofAnotherHistory(events(7, 3)), fromFeed(3), 0, 1},
	"a message of another history":                 {7, 2, ofAnotherHistory(events(7, 3)), fromFeed(3), 7, 1},
	"a message of another history after a gap":     {7, 2, ofAnotherHistory(events(7, 5)), fromFeed(3), 7, 1},
	"a marker of another history":                  {7, 2, ofAnotherHistory(marker(8, 2)), fromFeed(3), 8, 1},
	"messages of another history before the checkpoint": {
		7, 2, slices.Concat(ofAnotherHistory(events(7, 1, 2)), events(7, 3)), []int64{3}, 7, 0,
	},
	"messages of another history after the end of the feed": {
		7, ordersEnd - 1, slices.Concat(events(7, ordersEnd), ofAnotherHistory(events(7, ordersEnd+1, ordersEnd+3))), []int64{ordersEnd}, 7, 2,
	},
}

// Each program of brokers.md treats messages as the rule says.
func TestConsumersOfBrokersFollowTheRule(t *testing.T) {
	t.Parallel()
	need.Tool(t, "psycopg")
	need.Tool(t, "pika")
	orders := serveOrders(t, ordersEnd)
	node := testrabbit.Start(t)
	for _, program := range []string{"Go", "Python", "SQL"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			c := newBrokerConsumer(t, orders, node, program)
			queue, ended, stop := c.start(t)
			for name, test := range ruleCases {
				t.Run(name, func(t *testing.T) {
					c.begin(t, test.generation, test.position)
					c.publish(t, queue, test.queue)
					wait(t, ended, stop, "every message is acknowledged", func() bool { return c.messages(t, queue) == 0 })
					c.check(t, test)
				})
			}
			stop()
			t.Run("the feed has lost what is applied", c.stopsAtALoss)
			t.Run("a message of another feed", c.stopsAtAnotherFeed)
			t.Run("a crash between the commit and the acknowledgement", c.crash)
			t.Run("no message", c.comparesWithTheFeed)
		})
	}
}

// servedFeed is a feed with its log.
type servedFeed struct {
	store.Feed
	url  string
	rows []store.Row
}

// serveOrders serves a feed of n orders.
func serveOrders(t *testing.T, n int) servedFeed {
	t.Helper()
	log := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, log, "orders", 5)
	var all []event.Event
	for i := 1; i <= n; i++ {
		all = append(all, event.Event{
			ID: fmt.Sprint(i), Source: "/shop", Type: "OrderCreated", Subject: fmt.Sprint(i),
			DataContentType: "application/json", Data: []byte(`{"customer":"Ada"}`),
		})
	}
	storetest.Append(t, log, "orders", all)
	storetest.Drain(t, log, "orders")
	found, err := log.Feed(t.Context(), "orders")
	must.OK(t, err)
	f := servedFeed{Feed: found, url: servertest.Serve(t, log).URL + "/feeds/orders"}
	must.OK(t, log.Rows(t.Context(), f.Key, 1, f.Position, func(r *store.Row) error {
		f.rows = append(f.rows, *r)
		return nil
	}))
	return f
}

// digest returns the digest at a position, and any other one where the feed has none.
func (f *servedFeed) digest(position int64) feed.Digest {
	switch {
	case position == 0:
		return feed.FirstDigest(f.ID)
	case position < 0 || position > f.Position:
		return feed.Digest{1}
	}
	return f.rows[position-1].Digest
}

// publishing returns a message as a publisher sends it.
func (f *servedFeed) publishing(m sentMessage) amqp.Publishing {
	headers := amqp.Table{
		"specversion": "1.0", "type": "eventfeed.marker", "source": f.ID, "id": fmt.Sprintf("marker-%d-%d", m.generation, m.position),
		"effeed": f.Name, "effeedid": f.ID, "efepoch": f.Epoch(),
		"efgeneration": fmt.Sprint(m.generation), "efposition": fmt.Sprint(m.position),
	}
	p := amqp.Publishing{Headers: amqp.Table{}, DeliveryMode: amqp.Persistent, ContentType: "application/json"}
	at, before := f.digest(m.position), f.digest(m.position-1)
	if m.marker {
		before = at
	} else {
		e := &f.rows[(m.position-1)%f.Position]
		headers["type"], headers["source"], headers["id"], headers["subject"] = e.Type, e.Source, e.ID, e.Subject
		p.Body = e.Data
	}
	if m.otherHistory {
		at[0]++
		before[0]++
	}
	headers["efdigest"], headers["efdigestbefore"] = at.String(), before.String()
	for name, value := range headers {
		p.Headers["cloudEvents:"+name] = value
	}
	return p
}

// brokerConsumer is a program of brokers.md with a database of its own.
type brokerConsumer struct {
	feed    servedFeed
	node    *testrabbit.Node
	vhost   string
	channel *amqp.Channel
	pool    *pgxpool.Pool
	folder  string
	command []string
	env     []string
}

func brokersText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("brokers.md")
	must.OK(t, err)
	return string(text)
}

// blocksOfBrokers returns the blocks of brokers.md that are files, by their first lines.
func blocksOfBrokers(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)\n```(?:go|python|sql)\n((?://|#|--) ([^\n]+)\n.*?\n)```").FindAllStringSubmatch(brokersText(t), -1) {
		files[block[2]] = block[1]
	}
	return files
}

// consumerFiles are the files of each program, by the first lines of their blocks.
var consumerFiles = map[string]map[string]string{
	"Go":     {"shipping.sql": "shipping.sql", "consume.go": "consume.go"},
	"Python": {"shipping.sql": "shipping.sql", "consume.py": "consume.py", "rule.py": "rule.py"},
	"SQL":    {"shipping.sql": "shipping.sql", "consume.py": "consume.py", "rule.py, if the rule is in SQL": "rule.py", "receive.sql": "receive.sql"},
}

// neverCheck are texts of the programs, and what takes their place, so that they are compared with the
// feed only where the rule says so; alwaysCheck makes them do it once a second.
var (
	neverCheck  = strings.NewReplacer("CHECK = 60 ", "CHECK = 86400 ", "check    = time.Minute ", "check    = 24 * time.Hour ")
	alwaysCheck = strings.NewReplacer("CHECK = 86400 ", "CHECK = 1 ", "check    = 24 * time.Hour ", "check    = time.Second ")
)

func newBrokerConsumer(t *testing.T, orders servedFeed, node *testrabbit.Node, program string) *brokerConsumer {
	t.Helper()
	vhost, url := node.VHost(t)
	c := newConsumerProgram(t, program, orders.url, url)
	c.feed, c.node, c.vhost = orders, node, vhost
	connection, err := amqp.Dial(url)
	must.OK(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	c.channel, err = connection.Channel()
	must.OK(t, err)
	must.OK(t, c.channel.Confirm(false))
	_, err = c.pool.Exec(t.Context(), "ALTER TABLE shipments ADD COLUMN number serial")
	must.OK(t, err)
	return c
}

// newConsumerProgram returns a program of brokers.md with a database that is seeded as it says there.
func newConsumerProgram(t *testing.T, program, feedURL, brokerURL string) *brokerConsumer {
	t.Helper()
	c := &brokerConsumer{folder: t.TempDir()}
	database, files := testdb.Postgres(t), blocksOfBrokers(t)
	for first, name := range consumerFiles[program] {
		c.write(t, name, files[first], neverCheck)
	}
	c.build(t)
	seeder := fmt.Sprintf("#!/bin/sh\necho run >>%s/seeded\nexec %s/seeder \"$@\"\n", c.folder, programs)
	must.OK(t, os.WriteFile(filepath.Join(c.folder, "seeder"), []byte(seeder), 0o700))
	c.env = append(os.Environ(), "PATH="+c.folder+":"+os.Getenv("PATH"), "FEED="+feedURL, "DATABASE="+database, "AMQP_URL="+brokerURL)
	seed := regexp.MustCompile("\nseeder run [^\n]*--projection shipping.sql\n").FindString(brokersText(t))
	first := exec.CommandContext(t.Context(), "sh", "-c", seed)
	first.Dir, first.Env = c.folder, c.env
	if out, err := first.CombinedOutput(); err != nil || seed == "" {
		t.Fatalf("%q: %v\n%s", seed, err, out)
	}
	c.pool = open(t, database)
	if program == "SQL" {
		_, err := c.pool.Exec(t.Context(), files["receive.sql"])
		must.OK(t, err)
	}
	return c
}

// write writes a file of the consumer.
func (c *brokerConsumer) write(t *testing.T, name, text string, replace *strings.Replacer) {
	t.Helper()
	replaced := replace.Replace(text)
	if text == "" || strings.HasPrefix(name, "consume.") && replaced == text {
		t.Fatalf("%s is not as this test expects it:\n%s", name, text)
	}
	must.OK(t, os.WriteFile(filepath.Join(c.folder, name), []byte(replaced), 0o600))
}

// build makes the command that runs the consumer.
func (c *brokerConsumer) build(t *testing.T) {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(c.folder, "consume.go"))
	if err != nil {
		c.command = []string{need.Tool(t, "pika"), "consume.py"}
		return
	}
	c.command = []string{build(t, "consume", string(program))}
}

// begin puts the checkpoint of the consumer at a place of the feed.
func (c *brokerConsumer) begin(t *testing.T, generation, position int64) {
	t.Helper()
	c.beginAt(t, generation, position, c.feed.digest(position))
}

func (c *brokerConsumer) beginAt(t *testing.T, generation, position int64, digest feed.Digest) {
	t.Helper()
	must.OK(t, pgx.BeginFunc(t.Context(), c.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE eventfeed_seed.checkpoints SET generation = $1, position = $2, digest = $3", generation, position, digest[:])
		if err == nil {
			_, err = tx.Exec(t.Context(), "TRUNCATE shipments")
		}
		return err
	}))
	must.OK(t, os.WriteFile(filepath.Join(c.folder, "seeded"), nil, 0o600))
}

func (c *brokerConsumer) publish(t *testing.T, queue string, messages []sentMessage) {
	t.Helper()
	for _, m := range messages {
		c.publishAs(t, queue, c.feed.publishing(m))
	}
}

func (c *brokerConsumer) publishAs(t *testing.T, queue string, p amqp.Publishing) {
	t.Helper()
	confirmed, err := c.channel.PublishWithDeferredConfirm("", queue, true, false, p)
	must.OK(t, err)
	if done, err := confirmed.WaitContext(t.Context()); err != nil || !done {
		t.Fatalf("confirmed: %v, %v", done, err)
	}
}

// messages returns the number of messages of a queue that are not acknowledged.
func (c *brokerConsumer) messages(t *testing.T, queue string) (n int) {
	t.Helper()
	got := c.node.Eval(t, fmt.Sprintf(`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"%s">>, queue, <<"%s">>)), [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), N.`, c.vhost, queue))
	n, err := strconv.Atoi(got)
	must.OK(t, err)
	return n
}

// start starts the program on a new queue, and returns when it consumes. stop kills it, if it has not
// ended, and returns what it said.
func (c *brokerConsumer) start(t *testing.T) (queue string, ended <-chan error, stop func() string) {
	t.Helper()
	c.begin(t, 0, ordersEnd) // it seeds at its start
	declared, err := c.channel.QueueDeclare("", true, false, false, false, nil)
	must.OK(t, err)
	ended, stop = c.startOn(t, declared.Name)
	wait(t, ended, stop, "it consumes", func() bool {
		state, err := c.channel.QueueDeclarePassive(declared.Name, true, false, false, false, nil)
		must.OK(t, err)
		return state.Consumers == 1
	})
	return declared.Name, ended, stop
}

func (c *brokerConsumer) startOn(t *testing.T, queue string) (ended <-chan error, stop func() string) {
	t.Helper()
	var said bytes.Buffer
	command := exec.CommandContext(t.Context(), c.command[0], c.command[1:]...)
	command.Dir, command.Env = c.folder, slices.Concat(c.env, []string{"QUEUE=" + queue})
	command.Stderr, command.Stdout = &said, &said
	must.OK(t, command.Start())
	result, done := make(chan error, 1), make(chan struct{})
	go func() {
		result <- command.Wait()
		close(result) // each of the next cases learns that it has ended
		close(done)
	}()
	stop = func() string {
		_ = command.Process.Kill()
		<-done
		return said.String()
	}
	t.Cleanup(func() { stop() })
	return result, stop
}

// checkpoint returns the generation and the position that the consumer has stored.
func (c *brokerConsumer) checkpoint(t *testing.T) (generation, position int64) {
	t.Helper()
	must.OK(t, c.pool.QueryRow(t.Context(), "SELECT generation, position FROM eventfeed_seed.checkpoints").Scan(&generation, &position))
	return generation, position
}

// wait waits until a condition holds, while the program runs.
func wait(t *testing.T, ended <-chan error, stop func() string, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the program ended before %s: %v\n%s", what, err, stop())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s:\n%s", what, stop())
		}
	}
}

func (c *brokerConsumer) check(t *testing.T, test ruleCase) {
	t.Helper()
	c.wantApplied(t, test.applied)
	want := test.position
	if len(test.applied) > 0 {
		want = test.applied[len(test.applied)-1]
	}
	follows, position := c.checkpoint(t)
	if follows != test.follows || position != want {
		t.Errorf("the checkpoint is at generation %d, position %d, want %d, %d", follows, position, test.follows, want)
	}
	var digest []byte
	var epoch string
	must.OK(t, c.pool.QueryRow(t.Context(), "SELECT digest, epoch FROM eventfeed_seed.checkpoints").Scan(&digest, &epoch))
	if want := c.feed.digest(position); !bytes.Equal(digest, want[:]) || epoch != c.feed.Epoch() {
		t.Errorf("at position %d the checkpoint has digest %x, epoch %s; the feed has %s, %s", position, digest, epoch, want, c.feed.Epoch())
	}
	if got := c.seeded(t); got != test.seeded {
		t.Errorf("seeder ran %d times, want %d", got, test.seeded)
	}
}

// seeded returns how often seeder was run since begin.
func (c *brokerConsumer) seeded(t *testing.T) int {
	t.Helper()
	runs, err := os.ReadFile(filepath.Join(c.folder, "seeded"))
	must.OK(t, err)
	return strings.Count(string(runs), "run\n")
}

func (c *brokerConsumer) wantApplied(t *testing.T, want []int64) {
	t.Helper()
	rows, err := c.pool.Query(t.Context(), "SELECT order_id::bigint FROM shipments ORDER BY number")
	must.OK(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	must.OK(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("applied %v, want %v", got, want)
	}
}

// stopsAtALoss: the program ends, and applies nothing.
func (c *brokerConsumer) stopsAtALoss(t *testing.T) {
	for what, messages := range map[string][]sentMessage{"a generation that goes back": marker(8, 3), "the next message": events(7, 6)} {
		t.Run(what, func(t *testing.T) {
			queue, ended, stop := c.start(t)
			c.beginAt(t, 7, 5, feed.Digest{5})
			c.publish(t, queue, messages)
			c.wantStop(t, queue, ended, stop, "the feed fails verification")
			if generation, position := c.checkpoint(t); generation != 7 || position != 5 {
				t.Errorf("the checkpoint is at generation %d, position %d", generation, position)
			}
		})
	}
}

func (c *brokerConsumer) stopsAtAnotherFeed(t *testing.T) {
	queue, ended, stop := c.start(t)
	c.begin(t, 7, 2)
	p := c.feed.publishing(sentMessage{generation: 7, position: 3})
	p.Headers["cloudEvents:effeedid"] = "urn:uuid:00000000-0000-4000-8000-000000000000"
	c.publishAs(t, queue, p)
	c.wantStop(t, queue, ended, stop, "consumer shipping has no checkpoint of feed urn:uuid:00000000-0000-4000-8000-000000000000")
}

// wantStop checks that the program ends at the one message of a queue, which stays there, and that it
// applies nothing.
func (c *brokerConsumer) wantStop(t *testing.T, queue string, ended <-chan error, stop func() string, says string) {
	t.Helper()
	select {
	case err := <-ended:
		if said := stop(); err == nil || !strings.Contains(said, says) {
			t.Errorf("the program ended with %v, want %q in:\n%s", err, says, said)
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("the program did not end:\n%s", stop())
	}
	if n := c.messages(t, queue); n != 1 {
		t.Errorf("%d messages are in the queue", n)
	}
	c.wantApplied(t, nil)
}

// crash kills the program while it commits, and starts it again.
func (c *brokerConsumer) crash(t *testing.T) {
	queue, ended, stop := c.start(t)
	c.begin(t, 7, 2)
	_, err := c.pool.Exec(t.Context(), `
		CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON shipments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()`)
	must.OK(t, err)
	holder, err := c.pool.Acquire(t.Context())
	must.OK(t, err)
	defer holder.Release()
	_, err = holder.Exec(t.Context(), "SELECT pg_advisory_lock(4711)")
	must.OK(t, err)
	c.publish(t, queue, events(7, 3))
	wait(t, ended, stop, "it commits", func() (waits bool) {
		must.OK(t, c.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
			WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted AND datname = current_database())`).Scan(&waits))
		return waits
	})
	stop()
	_, err = holder.Exec(t.Context(), "SELECT pg_advisory_unlock(4711)")
	must.OK(t, err)
	wait(t, nil, stop, "PostgreSQL has committed", func() bool {
		_, position := c.checkpoint(t)
		return position == 3
	})
	if n := c.messages(t, queue); n != 1 {
		t.Errorf("%d messages are in the queue after the crash", n)
	}
	ended, stop = c.startOn(t, queue)
	wait(t, ended, stop, "the message is acknowledged", func() bool { return c.messages(t, queue) == 0 })
	stop()
	c.check(t, ruleCase{7, 2, nil, fromFeed(3), 7, 1}) // it has seeded at its start
}

// comparesWithTheFeed: without any message the program finds what is missing.
func (c *brokerConsumer) comparesWithTheFeed(t *testing.T) {
	for _, name := range []string{"consume.go", "consume.py"} {
		text, err := os.ReadFile(filepath.Join(c.folder, name))
		if err == nil {
			c.write(t, name, string(text), alwaysCheck)
		}
	}
	c.build(t)
	_, ended, stop := c.start(t)
	c.begin(t, 7, 9)
	wait(t, ended, stop, "the end of the feed is applied", func() bool {
		_, position := c.checkpoint(t)
		return position == ordersEnd
	})
	stop()
	c.wantApplied(t, fromFeed(10))
}
