//go:build unix

package seednats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func password(user, password string) func() (string, string, error) {
	return func() (string, string, error) { return user, password, nil }
}

// users has one who need not log in, for the test, and a publisher with the least rights on a stream.
const users = `
no_auth_user: anyone
authorization { users: [
	{ user: anyone, password: anyone },
	{ user: publisher, password: "%s", permissions: {
		publish: ["ORDERS.>", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS"]
		subscribe: ["_INBOX.eventfeed.>"]
	} },
	{ user: blind, password: blind, permissions: {
		publish: ["ORDERS.>", "$JS.API.STREAM.INFO.ORDERS"], subscribe: ["_INBOX.eventfeed.>"]
	} },
	{ user: mute, password: mute, permissions: {
		publish: ["$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS"], subscribe: ["_INBOX.eventfeed.>"]
	} },
	{ user: stranger, password: stranger, permissions: { publish: ["x"], subscribe: ["_INBOX.eventfeed.>"] } },
	{ user: deaf, password: deaf, permissions: { publish: [">"], subscribe: ["x"] } },
] }
`

func TestWrongCredentialsArePermanentUntilALoginSucceeds(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t, fmt.Sprintf(users, "secret"))
	p := newPlace(t, node, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"ORDERS.>"}})
	p.config.Route = "ORDERS.{feed}.{type}"
	wrong := p.config
	wrong.Credentials = password("publisher", "wrong")
	wantOperator(t, newLogOf(t, wrong).Open(t.Context(), logtest.Feed), false, "refused the login", "--broker-user")

	given := "secret"
	p.config.Credentials = func() (string, string, error) { return "publisher", given, nil }
	l := p.newLog(t)
	publish(t, l, 3) // with the least rights
	node.Reconfigure(t, fmt.Sprintf(users, "another"))
	node.Restart(t)
	wantTransient(t, l.Open(t.Context(), logtest.Feed), "Authorization Violation")
	given = "another"
	publish(t, l, 6)
	wantPositions(t, p.read(t), 6)
	wantOperator(t, newLogOf(t, Stream{URL: p.config.URL, CredsFile: t.TempDir() + "/missing.creds"}).Open(t.Context(), logtest.Feed), true, "credentials file", "--broker-creds")
}

func TestAMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t, fmt.Sprintf(users, "secret"))
	p := newPlace(t, node, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"ORDERS.>"}})
	p.config.Route = "ORDERS.{feed}.{type}"
	publish(t, p.newLog(t), 3)
	const rights = `publish = ["ORDERS.orders.>", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.MSG.GET.ORDERS"], subscribe = ["_INBOX.eventfeed.>"]`
	for user, text := range map[string]string{
		"stranger": `Publish to "$JS.API.STREAM.INFO.ORDERS"`,
		"deaf":     `Subscription to "_INBOX.eventfeed.`,
		"blind":    `Publish to "$JS.API.STREAM.MSG.GET.ORDERS"`,
		"mute":     `Publish to "ORDERS.orders.OrderPaid"`,
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			s := p.config
			s.Credentials = password(user, user)
			l := newLogOf(t, s)
			t.Cleanup(l.Close)
			err := l.Open(t.Context(), logtest.Feed)
			if err == nil {
				_, _, err = l.End(t.Context())
			}
			if err == nil {
				err = l.Append(t.Context(), logtest.Messages(1, 3, 9))
			}
			wantOperator(t, err, false, text, rights)
		})
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	plain, strict := testnats.Own(t, testnats.NoTLS), testnats.Own(t, testnats.OnlyTLS)
	p := newPlace(t, node, jetstream.StreamConfig{})
	trusting := func(n *testnats.Node, certificates ...tls.Certificate) func() (*tls.Config, error) {
		return func() (*tls.Config, error) {
			return &tls.Config{RootCAs: n.Authority.Pool(), Certificates: certificates, MinVersion: tls.VersionTLS12}, nil
		}
	}
	certificate, key := strict.Authority.Issue(t, "publisher", time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(certificate, key)
	must.OK(t, err)
	open := func(scheme string, n *testnats.Node, config func() (*tls.Config, error)) error {
		s := p.config
		s.URL, s.TLS = scheme+"://"+n.Address()+"/"+p.config.stream(t), config
		l := newLogOf(t, s)
		t.Cleanup(l.Close)
		return l.Open(t.Context(), logtest.Feed)
	}
	must.OK(t, open("nats+tls", node, trusting(node)))
	must.OK(t, open("tls", node, trusting(node)))
	wantOperator(t, open("nats+tls", node, nil), false, "certificate is not trusted", "--broker-ca")
	wantOperator(t, open("nats+tls", node, trusting(strict)), false, "certificate is not trusted", "--broker-ca")
	wantOperator(t, open("nats+tls", plain, trusting(plain)), true, "has no TLS", "nats://")
	// The server may have closed the connection before its reason was read: that may pass.
	var refused error
	for range 100 {
		if refused = open("nats+tls", strict, trusting(strict)); !errors.Is(refused, nats.ErrTLS) {
			break
		}
		wantTransient(t, refused, "--broker-certificate")
	}
	wantOperator(t, refused, false, "ended the TLS handshake", "--broker-certificate")
	wantOperator(t, open("nats+tls", strict, trusting(strict, pair)), true, "there is no stream", "nats stream add")
	wantOperator(t, open("nats", strict, trusting(strict, pair)), true, "there is no stream", "nats stream add")
}

func TestAServerWithoutJetStreamOrTooOldIsRefused(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t, "accounts { A { users: [ { user: a, password: a } ] } }", "no_auth_user: a")
	l := newLogOf(t, Stream{URL: "nats://" + node.Address() + "/ORDERS"})
	wantOperator(t, l.Open(t.Context(), logtest.Feed), true, "has no JetStream", "jetstream { store_dir")
	l = newLogOf(t, Stream{URL: "nats://" + testnats.Old(t, "2.8.4") + "/ORDERS"})
	wantOperator(t, l.Open(t.Context(), logtest.Feed), true, "2.8.4", "upgrade")
	for version, old := range map[string]bool{"2.8.4": true, "1.4.1": true, "2.9.0": false, "2.10.0-beta": false, "v3.0.0": false, "": false} {
		if isOlderThan(version, 2, 9) != old {
			t.Errorf("version %q: old is not %t", version, old)
		}
	}
}

func TestABrokerThatIsAwayIsAnErrorThatMayPass(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.OK(t, err)
	address := listener.Addr().String()
	must.OK(t, listener.Close())
	l := newLogOf(t, Stream{URL: "nats://" + address + "/ORDERS"})
	wantTransient(t, l.Open(t.Context(), logtest.Feed), "connection refused")

	node := testnats.Start(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	several := p.config
	several.URL = "nats://" + address + "," + node.Address() + "/" + p.config.stream(t)
	publish(t, newLogOf(t, several), 3)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Open(ctx, logtest.Feed); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// A server that says nothing ends no call by itself.
func TestEachCallEndsThoughTheServerIsSilent(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	for name, call := range map[string]func(ctx context.Context, l *log) error{
		"open": func(ctx context.Context, l *log) error { return l.Open(ctx, logtest.Feed) },
		"end":  func(ctx context.Context, l *log) error { _, _, err := l.End(ctx); return err },
		"earlier": func(ctx context.Context, l *log) error {
			_, err := l.Earlier(ctx)
			return err
		},
		"append": func(ctx context.Context, l *log) error { return l.Append(ctx, logtest.Messages(1, 3, 5000)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, node, jetstream.StreamConfig{})
			faulty := testproxy.NewFaulty(t, node.Address())
			p.config.URL = "nats://" + faulty.Address() + "/" + p.config.stream(t)
			l := p.newLog(t)
			publish(t, l, 3)
			faulty.Add("timeout", map[string]int{"timeout": 0})
			l.timeouts.dial, l.conn.answer = time.Second, time.Second
			wantTransient(t, call(t.Context(), l), "")

			faulty.Remove("timeout")
			l.timeouts = defaultTimeouts
			publish(t, l, 3)
			faulty.Add("timeout", map[string]int{"timeout": 0})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := call(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after its context: %v", err)
			}
		})
	}
}

// The connection is dead before JetStream's answer is late, or the other way round.
func TestASilentConnectionIsDead(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	faulty := testproxy.NewFaulty(t, node.Address())
	p.config.URL = "nats://" + faulty.Address() + "/" + p.config.stream(t)
	l := p.newLog(t)
	l.timeouts.dead, l.timeouts.ping = 2*time.Second, 200*time.Millisecond
	begin(t, l)
	faulty.Add("timeout", map[string]int{"timeout": 0})
	<-l.conn.alive.Done()
	wantTransient(t, l.Append(t.Context(), logtest.Messages(1, 0, 3)), "the connection to the server was lost")
}
