//go:build unix

package seednats

import (
	"crypto/tls"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func TestOpenRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	secret := password("u", "secret")
	for want, s := range map[string]Stream{
		"not a URL":                      {URL: "localhost:4222"},
		"scheme must be nats":            {URL: "http://h/S"},
		"names no stream":                {URL: "nats://h"},
		"names no stream:":               {URL: "nats://h:4222/"},
		`"a.b" is no name of a stream`:   {URL: "nats://h/a.b"},
		`"a/b" is no name of a stream`:   {URL: "nats://h/a/b"},
		`"a b" is no name of a stream`:   {URL: "nats://h/a%20b"},
		`"" is not HOST`:                 {URL: "nats:///S"},
		`"b:x" is not HOST`:              {URL: "nats://a,b:x/S"},
		"must be 1 to 65535":             {URL: "nats://h:99999/S"},
		"remove them from the URL":       {URL: "nats://u:secret@h/S"},
		"there are none":                 {URL: "nats://h/S?domain=secret"},
		"{id} is none of":                {URL: "nats://h/S", Route: "a.{id}"},
		`"f.>" is not a subject`:         {URL: "nats://h/S", Route: "{feed}.>"},
		`".t" is not a subject`:          {URL: "nats://h/S", Route: ".{type}"},
		`"f.my type" is not a subject`:   {URL: "nats://h/S", Route: "{feed}.my type"},
		`"$JS.t" is not a subject`:       {URL: "nats://h/S", Route: "$JS.{type}"},
		"cross the network":              {URL: "nats://h.example/S", Credentials: secret},
		"cross the network unencrypted;": {URL: "nats://127.0.0.1,h.example/S", Credentials: secret},
		"give one of them":               {URL: "nats+tls://h/S", Credentials: secret, CredsFile: "f"},
	} {
		if _, err := Open(s); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", s.URL, err, want)
		}
	}
	for _, s := range []Stream{
		{URL: "nats://127.0.0.1/S", Credentials: secret}, {URL: "nats://localhost,[::1]:4223/S", Credentials: secret},
		{URL: "tls://h.example/S", Credentials: secret, TLS: func() (*tls.Config, error) { return nil, nil }},
		{URL: "nats://h.example/S", Credentials: secret, PlainPassword: true}, {URL: "nats+tls://a,b,c/S", CredsFile: "f"}, {URL: "NATS://h/S"},
	} {
		_, err := Open(s)
		must.OK(t, err)
	}
	to, err := parseURL("nats+tls://a,b:5,[::1]/S")
	must.OK(t, err)
	if got := strings.Join(to.servers(), " "); got != "tls://a:4222 tls://b:5 tls://[::1]:4222" || to.String() != "stream S at a:4222,b:5,[::1]:4222" {
		t.Errorf("%s: %s", to, got)
	}
}

func TestValuesAreTokensOfASubject(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "_", "OrderPaid": "OrderPaid", "com.example.Paid": "com.example.Paid", "a b": "a%20b", "*": "%2A", ">": "%3E",
		".a": "%2Ea", "a.": "a%2E", ".": "%2E", "a..b": "a.%2Eb", "ü": "%C3%BC", "a%2A": "a%252A", "$JS": "%24JS", "-_": "-_", "a/b": "a%2Fb",
	} {
		if got := encodeTokens(value); got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}

// Different values never meet, and each subject can be published to.
func TestSubjectsAreValidAndTellValuesApart(t *testing.T) {
	t.Parallel()
	text := rapid.StringOf(rapid.RuneFrom([]rune("ab._*>% $é\n")))
	rapid.Check(t, func(r *rapid.T) {
		a, b := text.Draw(r, "a"), text.Draw(r, "b")
		if x, y := encodeTokens(a), encodeTokens(b); x == y && a != b && a != "" && b != "" || !isSubject(x) {
			r.Fatalf("%q is %s, %q is %s", a, x, b, y)
		}
		if decoded := encodeValue(a); strings.ContainsAny(decoded, " \"\n\r") || !isASCII(decoded) {
			r.Fatalf("%q is %q in a header", a, decoded)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > '~' || c < '!' })
}

func TestAStreamTakesTheSubjectsThatItsPatternsMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, subject string
		want             bool
	}{
		{"orders.>", "orders.a", true}, {"orders.>", "orders.a.b", true}, {"orders.>", "orders", false}, {">", "a", true},
		{"orders.*", "orders.a", true}, {"orders.*", "orders.a.b", false}, {"*.a", "orders.a", true}, {"*.a", "orders.b", false},
		{"orders.a", "orders.a", true}, {"orders.a", "orders.a.b", false}, {"orders.a.b", "orders.a", false}, {"*", "a", true},
	} {
		if got := takes([]string{"other", test.pattern}, test.subject); got != test.want {
			t.Errorf("%s takes %s: %t", test.pattern, test.subject, got)
		}
	}
}

func TestCommandsNameTheSubjectsOfTheRoute(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"": "orders.>", "{feed}": "orders", "events.{feed}.{subject}.{type}": "events.orders.>", "{type}": "SUBJECTS", "{feed}.x-{type}": "orders.>",
	} {
		l := newLogOf(t, Stream{URL: "nats://h/S", Route: route})
		l.feed = broker.Feed{ID: logtest.Feed.ID, Name: "orders"}
		if got := l.wanted(); got != want {
			t.Errorf("route %q: %s, want %s", route, got, want)
		}
	}
}

// What a message says of its size is what the client library sends.
func TestTheSizeOfHeadersIsExact(t *testing.T) {
	t.Parallel()
	l := newLogOf(t, Stream{URL: "nats://h/S"})
	for _, m := range append(logtest.Messages(1, 0, 10), broker.Marker(broker.Place{}), broker.Message{Delivered: event.Delivered{}}) {
		msg, size := l.encode(&m, 1234)
		if without := msg.Size() - len(msg.Subject) - len(msg.Data); without != size {
			t.Errorf("%s: %d bytes, and the library counts %d", &m, size, without)
		}
	}
}
