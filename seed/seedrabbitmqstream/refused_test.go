//go:build unix

package seedrabbitmqstream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// begin opens and claims a log of the stream.
func (b *bench) begin(t *testing.T) (*log, error) {
	t.Helper()
	l := b.log(t)
	t.Cleanup(l.Close)
	if err := l.Open(t.Context(), logtest.Feed); err != nil {
		return l, err
	}
	err := l.Claim(t.Context())
	return l, err
}

func (b *bench) as(user, password string) {
	b.config.Credentials = func() (string, string, error) { return user, password, nil }
}

func TestWhatAnOperatorHasToMendIsSaidWithTheNextStep(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	for name, test := range map[string]struct {
		change     func(*bench)
		usage      bool
		text, next string
	}{
		"a missing stream": {
			func(b *bench) { b.config.URL = strings.TrimSuffix(b.config.URL, name) + "other" },
			true, "there is no stream other in vhost", `declare queue name=other durable=true arguments='{"x-queue-type": "stream"}'`,
		},
		"a missing vhost": {
			func(b *bench) { b.config.URL = strings.Replace(b.config.URL, b.vhost, "other", 1) },
			true, "there is no vhost other, or the user may not use it", "rabbitmqctl add_vhost other",
		},
		"a wrong password": {
			func(b *bench) { user, _ := node.User(t, b.vhost, "", ".*", ".*"); b.as(user, "wrong") },
			false, "refused user and password", "EVENTFEED_BROKER_USER",
		},
		"no right to write": {
			func(b *bench) { b.as(node.User(t, b.vhost, "", "", ".*")) },
			false, "may not publish to stream orders and read it", "rabbitmqctl set_permissions",
		},
		"an authority that is not known": {
			func(b *bench) { b.config.URL = b.atTLS(node.AddressStreamTLS()) },
			false, "certificate is not trusted", "--broker-ca",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, node)
			test.change(b)
			_, err := b.begin(t)
			operator, is := errors.AsType[*broker.OperatorError](err)
			if !is || operator.Usage != test.usage || !strings.Contains(err.Error(), test.text) || !strings.Contains(operator.Next, test.next) {
				t.Errorf("%v, %+v; want %q, and next %q", err, operator, test.text, test.next)
			}
		})
	}
}

func TestALogWithoutTheRightToReadIsRefused(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node)
	b.as(node.User(t, b.vhost, "", ".*", ""))
	l, err := b.begin(t)
	if err == nil {
		_, _, err = l.End(t.Context())
	}
	operator, is := errors.AsType[*broker.OperatorError](err)
	if !is || !strings.Contains(operator.Next, "rabbitmqctl set_permissions") {
		t.Errorf("%v", err)
	}
}

func (b *bench) atTLS(address string) string {
	return strings.Replace(b.at(address), "rabbitmq-stream:", "rabbitmq-stream+tls:", 1)
}

// wantWorks publishes an event and finds it at the end.
func (b *bench) wantWorks(t *testing.T) {
	t.Helper()
	l, err := b.begin(t)
	must.OK(t, err)
	_, found, err := l.End(t.Context())
	must.OK(t, err)
	if found {
		t.Fatal("the stream is not empty")
	}
	must.OK(t, l.Append(t.Context(), logtest.Messages(1, 0, 1)))
	if end, _, err := l.End(t.Context()); err != nil || end.Position != 1 {
		t.Errorf("ended at %v: %v", end, err)
	}
}

func TestTheLeastRightsSuffice(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node)
	b.as(node.User(t, b.vhost, "^$", "^orders$", "^orders$"))
	b.wantWorks(t)
}

func TestAClientMayHaveACertificate(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node)
	user, password := node.User(t, b.vhost, "^$", "^orders$", "^orders$")
	b.as(user, password)
	certificate, key := node.Authority.Issue(t, user, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(certificate, key)
	must.OK(t, err)
	b.config.URL = b.atTLS(node.AddressStreamTLS())
	b.config.TLS = func() (*tls.Config, error) {
		return &tls.Config{RootCAs: node.Authority.Pool(), Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
	b.wantWorks(t)
}

// TestAPublisherThatWasLoggedInIsNotRefusedForGood: credentials may be exchanged at this moment, and a
// stream may be made again.
func TestAPublisherThatWasLoggedInIsNotRefusedForGood(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	b := newBench(t, node)
	user, password := node.User(t, b.vhost, "", ".*", ".*")
	b.config.Credentials = func() (string, string, error) { return user, password, nil }
	l := b.log(t)
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	password += "!"
	err := l.Open(t.Context(), logtest.Feed)
	if _, is := errors.AsType[*broker.OperatorError](err); is || err == nil || !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("%v", err)
	}
}

func TestABrokerThatIsAwayMayComeBack(t *testing.T) {
	t.Parallel()
	b := &bench{config: Stream{URL: "rabbitmq-stream://127.0.0.1:1/?stream=orders"}}
	_, err := b.begin(t)
	if _, is := errors.AsType[*broker.OperatorError](err); is || err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

// TestAPortWithoutTLSBreaksOff: so does a broker that is about to end.
func TestAPortWithoutTLSBreaksOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	b.config.URL = b.atTLS(b.node.AddressStream())
	_, err := b.begin(t)
	if _, is := errors.AsType[*broker.OperatorError](err); is || err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("%v", err)
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	password := func() (string, string, error) { return "u", "secret", nil }
	open := func(s Stream) error { _, err := Open(s); return err }
	for want, err := range map[string]error{
		"names no stream":                            open(Stream{URL: "rabbitmq-stream://h/v"}),
		"scheme must be rabbitmq-stream":             open(Stream{URL: "amqp://h/?stream=s"}),
		`parameter "queue"`:                          open(Stream{URL: "rabbitmq-stream://h/?stream=s&queue=q"}),
		"remove them from the URL":                   open(Stream{URL: "rabbitmq-stream://u:secret@h/?stream=s"}),
		"has no host":                                open(Stream{URL: "rabbitmq-stream:///?stream=s"}),
		"cross the network":                          open(Stream{URL: "rabbitmq-stream://h.example/?stream=s", Credentials: password}),
		"a name may have at most 255 bytes, has 256": open(Stream{URL: "rabbitmq-stream://h/?stream=" + strings.Repeat("s", 256)}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, s := range []Stream{
		{URL: "rabbitmq-stream+tls://h.example/?stream=s", Credentials: password}, {URL: "rabbitmq-stream://127.0.0.1/?stream=s", Credentials: password},
		{URL: "rabbitmq-stream://h.example/?stream=s", Credentials: password, PlainPassword: true},
	} {
		must.OK(t, open(s))
	}
}

func TestAStreamThatDoesNotShowThePlaceHasLostItsEnd(t *testing.T) {
	t.Parallel()
	node := testrabbit.Start(t)
	for name, test := range map[string]struct {
		arguments map[string]any
		lose      func(*testing.T, *bench, *log)
		text      string
	}{
		"a message of another publisher": {
			nil, func(t *testing.T, b *bench, _ *log) { b.publishOther(t) },
			"the message at offset 3 is not eventfeed's: it has no attribute effeedid",
		},
		// A segment that is full is closed, and the limit leaves nothing but the new one.
		"a limit below the size of a segment": {
			map[string]any{"x-max-length-bytes": 100, "x-stream-max-segment-size-bytes": 1000},
			func(t *testing.T, _ *bench, l *log) {
				m := logtest.Messages(1, 3, 4)
				m[0].Data = bytes.Repeat([]byte("x"), 2000)
				must.OK(t, l.Append(t.Context(), m))
			},
			"it shows no message, and the broker has recorded that the feed was published to it up to position 4",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWith(t, node, test.arguments)
			l, err := b.begin(t)
			must.OK(t, err)
			_, _, err = l.End(t.Context())
			must.OK(t, err)
			must.OK(t, l.Append(t.Context(), logtest.Messages(1, 0, 3)))
			test.lose(t, b, l)
			for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); { // the broker deletes a little later
				_, _, err = l.End(t.Context())
			}
			if _, is := errors.AsType[*broker.LostEndError](err); !is || !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("%v", err)
			}
			again := broker.Place{Feed: logtest.Feed, Generation: 1_800_000_000, Epoch: "e1", Position: 2}
			must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(again)}))
			if end, found, err := l.End(t.Context()); err != nil || !found || end != again {
				t.Errorf("then %v, %t: %v", end, found, err)
			}
		})
	}
}
