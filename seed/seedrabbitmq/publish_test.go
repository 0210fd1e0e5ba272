//go:build unix

package seedrabbitmq_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// bench is a feed, a vhost with an exchange whose messages all go to a queue, and a file for the
// checkpoint.
type bench struct {
	t        *testing.T
	node     *testrabbit.Node
	log      *store.Log
	vhost    string
	url      string // of the vhost
	exchange seedrabbitmq.Exchange
	config   seed.Config // without Into
	into     seedsqlite.Database
	channel  *amqp.Channel
	logged   *bytes.Buffer
	last     seed.Progress
}

const queue = "all"

func newBench(t *testing.T, node *testrabbit.Node, events int) *bench {
	t.Helper()
	b := &bench{t: t, node: node, log: storetest.Open(t, storetest.Databases["sqlite"](t)), logged: &bytes.Buffer{}}
	storetest.Create(t, b.log, "orders", 10)
	b.append(1, events)
	b.vhost, b.url = node.VHost(t)
	b.exchange = seedrabbitmq.Exchange{URL: b.url + "?exchange=orders", Logger: slog.New(slog.NewTextHandler(b.logged, nil)), Patience: time.Millisecond}
	b.into = seedsqlite.Open(strings.TrimPrefix(testdb.SQLite(t), "sqlite:"))
	b.config = seed.Config{
		From: []string{servertest.Publish(t, b.log).URL + "/feeds/orders"}, Progress: func(p seed.Progress) { b.last = p },
	}
	b.connect()
	must.OK(t, b.channel.ExchangeDeclare("orders", "topic", true, false, false, false, nil))
	b.declare(queue, "#", nil)
	return b
}

// connect opens the channel of the test's own.
func (b *bench) connect() {
	b.t.Helper()
	connection, err := amqp.Dial(b.url)
	must.OK(b.t, err)
	b.t.Cleanup(func() { _ = connection.Close() })
	b.channel, err = connection.Channel()
	must.OK(b.t, err)
}

func (b *bench) declare(queue, key string, arguments amqp.Table) {
	b.t.Helper()
	_, err := b.channel.QueueDeclare(queue, true, false, false, false, arguments)
	must.OK(b.t, err)
	must.OK(b.t, b.channel.QueueBind(queue, key, "orders", false, nil))
}

func (b *bench) append(first, last int) {
	b.t.Helper()
	if last >= first {
		storetest.Append(b.t, b.log, "orders", storetest.Events(first, last))
		storetest.Drain(b.t, b.log, "orders")
	}
}

// run publishes up to the end of the feed.
func (b *bench) run() error { return b.runWith(b.t.Context()) }

func (b *bench) runWith(ctx context.Context) error {
	publisher, err := seedrabbitmq.Open(b.exchange)
	if err != nil {
		return err
	}
	config := b.config
	config.Into = b.into.Publish(publisher)
	return seed.Run(ctx, config)
}

// read returns what the queue holds, and empties it.
func (b *bench) read() []testrabbit.Message {
	b.t.Helper()
	return testrabbit.Read(b.t, b.url, queue, testrabbit.Until{})
}

// positions returns the positions of messages; that of a marker is negative.
func positions(t *testing.T, all []testrabbit.Message) (found []int64) {
	t.Helper()
	for _, m := range all {
		p, err := strconv.ParseInt(m.Headers["cloudEvents:efposition"], 10, 64)
		must.OK(t, err)
		if m.Headers["cloudEvents:type"] == broker.MarkerType {
			p = -p
		}
		found = append(found, p)
	}
	return found
}

// wantOperator checks that a run ended with an error that needs an operator.
func wantOperator(t *testing.T, err error, usage bool, text, next string) {
	t.Helper()
	mend, is := errors.AsType[*broker.OperatorError](err)
	if !is || mend.Usage != usage || !strings.Contains(err.Error(), text) || !strings.Contains(mend.Next, next) {
		t.Errorf("%v (%+v), want %q and %q", err, mend, text, next)
	}
}

func TestEachEventIsPublishedOnceInOrderWithItsPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 25)
	storetest.Append(t, b.log, "orders", []event.Event{{
		ID: "full", Source: "/shop", Type: "Order Placed", Subject: "o-1", DataContentType: "text/plain", DataSchema: "https://schemas.example/o",
		Time: time.Date(2026, 5, 3, 10, 0, 0, 0, time.UTC), Extensions: map[string]string{"traceparent": "00-é"}, Data: []byte("\x00\xff body"),
	}})
	storetest.Drain(t, b.log, "orders")
	must.OK(t, b.run())
	position, digest := storetest.Verify(t, b.log, "orders")
	all := b.read()
	if got := positions(t, all); len(got) != 27 || got[0] != 0 || got[1] != 1 || got[26] != 26 {
		t.Fatalf("published positions %v", got)
	}
	full := all[26]
	want := map[string]string{
		"specversion": "1.0", "id": "full", "source": "/shop", "type": "Order Placed", "subject": "o-1", "time": "2026-05-03T10:00:00Z",
		"dataschema": "https://schemas.example/o", "traceparent": "00-é", "efposition": strconv.FormatInt(position, 10), "effeed": "orders", "efdigest": digest,
		"efdigestbefore": all[25].Headers["cloudEvents:efdigest"], "efgeneration": all[0].Headers["cloudEvents:efgeneration"],
	}
	for name, value := range want {
		if got := full.Headers["cloudEvents:"+name]; got != value {
			t.Errorf("attribute %s is %q, want %q", name, got, value)
		}
	}
	if full.RoutingKey != "orders.Order Placed" || !full.Persistent || full.ContentType != "text/plain" || string(full.Body) != "\x00\xff body" {
		t.Errorf("%+v", full)
	}
	began, err := strconv.ParseInt(want["efgeneration"], 10, 64)
	if since := time.Since(time.Unix(began, 0)); err != nil || since < 0 || since > time.Hour {
		t.Errorf("the first generation is %d, want the Unix time", began)
	}
	must.OK(t, b.run())
	b.append(26, 27)
	b.config.Follow, b.config.Until = true, 28
	must.OK(t, b.run())
	if got := positions(t, b.read()); len(got) != 2 || got[0] != 27 || got[1] != 28 {
		t.Errorf("later runs published %v", got)
	}
}

func TestAPublisherStartsWhereItIsTold(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	for name, test := range map[string]struct {
		start, until int64
		want         []int64 // a marker is negative
	}{
		"after a position": {12, 0, []int64{-12, 13, 14, 15}},
		"at the end":       {seed.AtEnd, 0, []int64{-15}},
		"up to a position": {0, 2, []int64{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, node, 15)
			b.config.StartAt, b.config.Until = test.start, test.until
			must.OK(t, b.run())
			all := b.read()
			got := positions(t, all)
			if len(got) != len(test.want) {
				t.Fatalf("%v, want %v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("%v, want %v", got, test.want)
				}
			}
			if _, digest := storetest.Verify(t, b.log, "orders"); test.start == seed.AtEnd && all[0].Headers["cloudEvents:efdigest"] != digest {
				t.Errorf("the marker has digest %s, the feed %s", all[0].Headers["cloudEvents:efdigest"], digest)
			}
		})
	}
	b := newBench(t, node, 15)
	b.config.StartAt = 16
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "16, it ends at 15") {
		t.Errorf("behind the end: %v", err)
	}
}

func TestARewindBeginsAnotherGenerationWithAMarker(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 5)
	must.OK(t, b.run())
	first := b.read()[0].Headers["cloudEvents:efgeneration"]
	config := b.config
	config.Into = b.into.Inbox()
	must.OK(t, seed.Rewind(t.Context(), config, 3, nil))
	must.OK(t, b.run())
	all := b.read()
	if got := positions(t, all); len(got) != 3 || got[0] != -3 || got[1] != 4 || got[2] != 5 {
		t.Fatalf("published %v", got)
	}
	before, _ := strconv.ParseInt(first, 10, 64)
	for _, m := range all {
		if m.Headers["cloudEvents:efgeneration"] != strconv.FormatInt(before+1, 10) {
			t.Errorf("generation %s after %s", m.Headers["cloudEvents:efgeneration"], first)
		}
	}
	if all[1].Headers["cloudEvents:efdigestbefore"] != all[0].Headers["cloudEvents:efdigest"] {
		t.Error("the first event does not follow the marker")
	}
}

func TestAnUnroutableMessageStopsTheRunOrIsCounted(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	unbind := func(b *bench) {
		must.OK(t, b.channel.QueueUnbind(queue, "#", "orders", nil))
		must.OK(t, b.channel.QueueBind(queue, "orders.eventfeed.marker", "orders", false, nil))
		must.OK(t, b.channel.QueueBind(queue, "orders."+storetest.Events(1, 1)[0].Type, "orders", false, nil))
	}
	odd := storetest.Events(5, 5)
	odd[0].Type = "Odd"

	b := newBench(t, node, 4)
	unbind(b)
	storetest.Append(t, b.log, "orders", odd)
	storetest.Append(t, b.log, "orders", storetest.Events(6, 7))
	storetest.Drain(t, b.log, "orders")
	b.config.Follow, b.config.Until = true, 7
	wantOperator(t, b.run(), false, `position 5 of feed orders (event `, "--unroutable count")
	if at := b.last.Feeds[0].Position; at != 4 {
		t.Errorf("the checkpoint is at %d, want before the message", at)
	}
	b.exchange.Unroutable = seedrabbitmq.Count
	must.OK(t, b.run())
	if b.last.Unroutable != 1 || b.last.Applied != 3 {
		t.Errorf("%d unroutable of %d published", b.last.Unroutable, b.last.Applied)
	}
}

func TestWhatAnOperatorHasToMendIsSaid(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	for name, test := range map[string]struct {
		change     func(b *bench)
		usage      bool
		text, next string
	}{
		"no exchange":                            {func(b *bench) { must.OK(t, b.channel.ExchangeDelete("orders", false, false)) }, true, "the exchange does not exist", "declare exchange name=orders"},
		"no exchange, with a name like a reason": {func(b *bench) { b.exchange.URL = b.url + "?exchange=limit" }, true, "the exchange does not exist", "name=limit "},
		"no vhost":                               {func(b *bench) { b.exchange.URL = "amqp://" + node.Address() + "/nowhere?exchange=orders" }, true, "there is no vhost nowhere", "rabbitmqctl add_vhost nowhere"},
		"wrong password": {func(b *bench) {
			user, _ := node.User(t, b.vhost, "", ".*", "")
			b.exchange.Credentials = func() (string, string, error) { return user, "wrong", nil }
		}, false, "refused user and password", "EVENTFEED_BROKER_USER"},
		"no right to the vhost": {func(b *bench) {
			other, _ := node.VHost(t)
			user, password := node.User(t, other, "", ".*", "")
			b.exchange.Credentials = func() (string, string, error) { return user, password, nil }
		}, false, "may not use the vhost", "rabbitmqctl set_permissions"},
		"no right to write": {func(b *bench) {
			user, password := node.User(t, b.vhost, "", "^other$", "")
			b.exchange.Credentials = func() (string, string, error) { return user, password, nil }
		}, false, "may not publish to the exchange", "rabbitmqctl set_permissions"},
		"a routing key that is too long": {func(b *bench) { b.exchange.Route = strings.Repeat("x", 250) + "{type}{feed}" }, false, "bytes, and AMQP allows 255", "--route"},
		"TLS where there is none":        {func(b *bench) { b.exchange.URL = "amqps://" + node.Address() + "/?exchange=orders" }, true, "no TLS on port", "5671"},
		"an authority that is not known": {func(b *bench) { b.exchange.URL = "amqps://" + node.AddressTLS() + "/?exchange=orders" }, false, "certificate is not trusted", "--broker-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, node, 2)
			test.change(b)
			wantOperator(t, b.run(), test.usage, test.text, test.next)
		})
	}
}

func TestALeastRightSufficesToPublish(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node, 3)
	user, password := node.User(t, b.vhost, "^$", "^orders$", "^$")
	b.exchange.Credentials = func() (string, string, error) { return user, password, nil }
	must.OK(t, b.run())
	if got := positions(t, b.read()); len(got) != 4 {
		t.Errorf("published %v", got)
	}
}

func TestACertificateLogsInWithoutAPassword(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node, 3)
	user, _ := node.User(t, b.vhost, "^$", "^orders$", "^$")
	certificate, key := node.Authority.Issue(t, user, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(certificate, key)
	must.OK(t, err)
	b.exchange.URL = "amqps://" + node.AddressTLS() + "/" + b.vhost + "?exchange=orders"
	b.exchange.TLS = func() (*tls.Config, error) {
		return &tls.Config{RootCAs: node.Authority.Pool(), Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
	must.OK(t, b.run())
	if got := positions(t, b.read()); len(got) != 4 {
		t.Errorf("published %v", got)
	}
}

func TestAQueueThatRefusesMessagesIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 6)
	b.declare("small", "#", amqp.Table{"x-max-length": 3, "x-overflow": "reject-publish"})
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "was refused: a queue that it is routed to is full") {
		t.Fatalf("a full queue: %v", err)
	}
	must.OK(t, b.channel.QueueBind("small", "nothing", "orders", false, nil))
	must.OK(t, b.channel.QueueUnbind("small", "#", "orders", nil))
	must.OK(t, b.run())
	seen := make(map[int64]bool)
	for _, p := range positions(t, b.read()) {
		seen[p] = true
	}
	if len(seen) != 7 {
		t.Errorf("the queue that refused nothing got %v", seen)
	}
}

func TestAnotherExchangeNeedsAnotherConsumer(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 2)
	must.OK(t, b.run())
	must.OK(t, b.channel.ExchangeDeclare("others", "topic", true, false, false, false, nil))
	b.exchange.URL = b.url + "?exchange=others"
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "it publishes to exchange orders of vhost "+b.vhost+", not to exchange others") {
		t.Errorf("another exchange: %v", err)
	}
}

func TestAPublisherRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	open := func(e seedrabbitmq.Exchange) error { _, err := seedrabbitmq.Open(e); return err }
	password := func() (string, string, error) { return "u", "secret", nil }
	for want, err := range map[string]error{
		"names no exchange":            open(seedrabbitmq.Exchange{URL: "amqp://h/v"}),
		"scheme must be amqp or amqps": open(seedrabbitmq.Exchange{URL: "http://h/?exchange=e"}),
		`parameter "queue"`:            open(seedrabbitmq.Exchange{URL: "amqp://h/?exchange=e&queue=q"}),
		"remove them from the URL":     open(seedrabbitmq.Exchange{URL: "amqp://u:secret@h/?exchange=e"}),
		"has no host":                  open(seedrabbitmq.Exchange{URL: "amqp:///?exchange=e"}),
		"{id} is none of":              open(seedrabbitmq.Exchange{URL: "amqp://h/?exchange=e", Route: "a.{id}"}),
		"cross the network":            open(seedrabbitmq.Exchange{URL: "amqp://h.example/?exchange=e", Credentials: password}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, e := range []seedrabbitmq.Exchange{
		{URL: "amqps://h.example/?exchange=e", Credentials: password}, {URL: "amqp://127.0.0.1/?exchange=e", Credentials: password},
		{URL: "amqp://h.example/?exchange=e", Credentials: password, PlainPassword: true},
	} {
		must.OK(t, open(e))
	}
	publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: "amqp://127.0.0.1:1/?exchange=e"})
	must.OK(t, err)
	into := seedsqlite.Open(strings.TrimPrefix(testdb.SQLite(t), "sqlite:"))
	for want, config := range map[string]seed.Config{
		"no dry run":                     {DryRun: true},
		"no parking":                     {OnError: seed.Park},
		"no state as of a point in time": {AsOf: time.Unix(1, 0)},
	} {
		config.From, config.Into = []string{"http://127.0.0.1:1/feeds/f"}, into.Publish(publisher)
		if err := seed.Run(t.Context(), config); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := seed.Run(t.Context(), seed.Config{From: []string{"http://127.0.0.1:1/feeds/f"}, Into: into.Inbox(), StartAt: 3}); err == nil || !strings.Contains(err.Error(), "StartAt") {
		t.Errorf("an inbox that starts in the middle: %v", err)
	}
}

// TestAForeignFeedIsRefusedBeforeAnythingIsPublished: its events have no digests.
func TestAForeignFeedIsRefusedBeforeAnythingIsPublished(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 1)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/atom+xml")
		_, _ = io.WriteString(w, `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:news</id><title>News</title><updated>2026-05-03T10:00:00Z</updated>
			<entry><id>urn:news:1</id><title>One</title><updated>2026-05-03T10:00:00Z</updated><content>one</content></entry></feed>`)
	}))
	t.Cleanup(foreign.Close)
	b.config.From = []string{foreign.URL + "/news.atom"}
	if err := b.run(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "no foreign feeds: each message carries a digest") {
		t.Errorf("a foreign feed: %v", err)
	}
	if got := positions(t, b.read()); len(got) > 0 {
		t.Errorf("published %v", got)
	}
}
