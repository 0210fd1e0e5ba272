package forwarded_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
)

func TestAServerOfThisMachineAnswersToItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	base, err := forwarded.ParseBase("https://feeds.example:8443/x")
	if err != nil {
		t.Fatal(err)
	}
	known := rules(t, "10.0.0.0/8")
	known.Base = base
	for _, test := range []struct {
		peer, host string
		ok         bool
	}{
		{stranger, "localhost", true}, {stranger, "LocalHost:8080", true}, {stranger, "127.0.0.1:8080", true}, {stranger, "[::1]:8080", true},
		{stranger, "[::1]", true}, {stranger, "192.0.2.1", true}, {stranger, "feeds.example", true}, {stranger, "Feeds.Example:443", true}, {stranger, "", true},
		{stranger, "evil.example", false}, {stranger, "evil.example:8080", false}, {stranger, "localhost.evil.example", false},
		{stranger, "127.0.0.1.evil.example", false}, {stranger, "x.localhost", false}, {stranger, "localhost.", false}, {stranger, "feeds.example.evil.example", false},
		{stranger, "servers", true}, {stranger, "feeds_upstream:80", true}, {stranger, "evil.", false}, {stranger, "évil", false}, {stranger, "[evil]", false},
		{proxy, "evil.example", true},
	} {
		if err := known.CheckName(request(test.peer, test.host)); (err == nil) != test.ok {
			t.Errorf("%s from %s: %v", test.host, test.peer, err)
		}
	}
	post := request(stranger, "servers")
	post.Method = "POST"
	if known.CheckName(post) == nil {
		t.Error("who writes may use a name without a dot")
	}
	if err := (forwarded.Rules{}).CheckName(request(stranger, "feeds.example")); err == nil {
		t.Error("a name that nobody has given is answered")
	}
}

func TestClientIsWhomTheProxyNamesOrTheNetworkOfThePeer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule, peer, forwarded, client string
	}{
		{"", "192.0.2.7:1", "", "192.0.2.7"},
		{"", "192.0.2.7:1", "198.51.100.1", "192.0.2.7"},
		{"10.0.0.0/8", proxy, "198.51.100.1", "198.51.100.1"},
		{"10.0.0.0/8", proxy, "203.0.113.5, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.0/8", proxy, "", "10.0.0.1"},
		{"", "[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::/64"},
		{"", "[2001:db8:1:2:ffff::1]:1", "", "2001:db8:1:2::/64"},
		{"", "[::ffff:192.0.2.7]:1", "", "192.0.2.7"},
		{"", "@", "", "unix"},
	} {
		r := request(test.peer, "h")
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if client := rules(t, test.rule).Client(r); client != test.client {
			t.Errorf("%+v: %q", test, client)
		}
	}
}
