package forwarded_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
)

func rules(t testing.TB, trusted string) forwarded.Rules {
	t.Helper()
	set, err := forwarded.ParseTrusted(trusted)
	if err != nil {
		t.Fatal(err)
	}
	return forwarded.Rules{Trusted: set}
}

// request makes one from a peer, with header fields in pairs.
func request(peer, host string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", http.NoBody)
	r.RemoteAddr, r.Host = peer, host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

const proxy, stranger = "10.0.0.1:40000", "203.0.113.9:40000"

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule, peer   string
		header       []string
		base, client string
	}{
		{"nobody said anything", proxy, nil, "http://own:8080", "10.0.0.1"},
		{"a stranger is not believed", stranger, []string{"Forwarded", "for=1.2.3.4;proto=https;host=a"}, "http://own:8080", "203.0.113.9"},
		{"a stranger is not believed", stranger, []string{"X-Forwarded-Host", "a", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Prefix", "/x"}, "http://own:8080", "203.0.113.9"},
		{"IPv4 as IPv6 is the same proxy", "[::ffff:10.0.0.1]:1", []string{"X-Forwarded-Host", "a"}, "http://a", "10.0.0.1"},
		{"a stranger's peer form", "[2001:db8::1]:1", nil, "http://own:8080", "2001:db8::1"},

		{"RFC 7239 section 4", proxy, []string{"Forwarded", "For=192.0.2.60;Proto=http;By=203.0.113.43;Host=a.example"}, "http://a.example", "192.0.2.60"},
		{"RFC 7239 section 6: IPv6 is quoted", proxy, []string{"Forwarded", `for="[2001:db8:cafe::17]:4711";host="[2001:db8::2]:8443";proto=https`}, "https://[2001:db8::2]:8443", "2001:db8:cafe::17"},
		{"some do not quote it", proxy, []string{"Forwarded", `for=[2001:db8::17]:4711;host=a:8443`}, "http://a:8443", "2001:db8::17"},
		{"quoted pairs", proxy, []string{"Forwarded", `for=192.0.2.1;host="a\.b";secret="x, for=9.9.9.9; \"y\""`}, "http://a.b", "192.0.2.1"},
		{"empty elements and parameters", proxy, []string{"Forwarded", ` , ;for=192.0.2.1 ;; host=a ;,, `}, "http://a", "192.0.2.1"},
		{"the last element is the proxy's", proxy, []string{"Forwarded", "for=1.1.1.1;host=evil, for=192.0.2.1;host=a"}, "http://a", "192.0.2.1"},
		{"the last field is the proxy's", proxy, []string{"Forwarded", "for=1.1.1.1;host=evil", "Forwarded", "for=192.0.2.1;host=a"}, "http://a", "192.0.2.1"},
		{"through trusted hops to the outermost", proxy, []string{"Forwarded", "for=1.1.1.1;host=evil, for=192.0.2.1;host=a;proto=https, for=10.0.0.3;host=inner;proto=http"}, "https://a", "192.0.2.1"},
		{"an inner hop says what the outer does not", proxy, []string{"Forwarded", "for=192.0.2.1, for=10.0.0.3;host=a;proto=https"}, "https://a", "192.0.2.1"},
		{"all are trusted", proxy, []string{"Forwarded", "for=10.0.0.4;host=a, for=10.0.0.3"}, "http://a", "10.0.0.4"},
		{"unknown ends the walk", proxy, []string{"Forwarded", "for=10.0.0.4;host=evil, for=unknown;host=a, for=10.0.0.3"}, "http://a", "10.0.0.3"},
		{"an obfuscated one ends it", proxy, []string{"Forwarded", "for=10.0.0.4;host=evil, for=_hidden;host=a"}, "http://a", "10.0.0.1"},
		{"a quote that is left open swallows nothing", proxy, []string{"Forwarded", `host=evil;for="1.1.1.1, for=192.0.2.1;host=a`}, "http://own:8080", "10.0.0.1"},
		{"what is malformed hides what stands before", proxy, []string{"Forwarded", "host=evil", "Forwarded", "x", "Forwarded", "for=10.0.0.3;host=a"}, "http://a", "10.0.0.3"},
		{"no parameter twice", proxy, []string{"Forwarded", "host=a;host=b"}, "http://own:8080", "10.0.0.1"},

		{"the usual fields", proxy, []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "A.example", "X-Forwarded-Prefix", "/feeds/x/"}, "https://a.example/feeds/x", "192.0.2.1"},
		{"the rightmost that is not trusted", proxy, []string{"X-Forwarded-For", "1.1.1.1, 192.0.2.1", "X-Forwarded-For", "10.0.0.3,10.0.0.2"}, "http://own:8080", "192.0.2.1"},
		{"addresses with ports", proxy, []string{"X-Forwarded-For", "192.0.2.1:1234, [2001:db8::1]:99"}, "http://own:8080", "2001:db8::1"},
		{"nonsense ends the walk", proxy, []string{"X-Forwarded-For", "192.0.2.1, unknown, 10.0.0.3"}, "http://own:8080", "10.0.0.3"},
		{"the nearest proxy's word", proxy, []string{"X-Forwarded-Host", "evil, a", "X-Forwarded-Proto", "http,https"}, "https://a", "10.0.0.1"},
		{"a port beside the host", proxy, []string{"X-Forwarded-Host", "a", "X-Forwarded-Port", "8443", "X-Forwarded-Proto", "https"}, "https://a:8443", "10.0.0.1"},
		{"the host's port goes before", proxy, []string{"X-Forwarded-Host", "a:1", "X-Forwarded-Port", "2"}, "http://a:1", "10.0.0.1"},
		{"the scheme's own port is left out", proxy, []string{"X-Forwarded-Host", "a", "X-Forwarded-Port", "443", "X-Forwarded-Proto", "https"}, "https://a", "10.0.0.1"},

		{"both kinds say the same", proxy, []string{"Forwarded", "for=192.0.2.1;host=a:8443;proto=https", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "a", "X-Forwarded-Port", "8443", "X-Forwarded-Proto", "https"}, "https://a:8443", "192.0.2.1"},
		{"a client's Forwarded beside the proxy's own fields", proxy, []string{"Forwarded", "for=192.0.2.1;host=evil;proto=https", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https"}, "http://own:8080", "10.0.0.1"},
		{"a client's X-Forwarded-Host beside the proxy's Forwarded", proxy, []string{"X-Forwarded-Host", "evil", "Forwarded", "for=192.0.2.1;host=a"}, "http://own:8080", "10.0.0.1"},
	} {
		got := rules(t, "10.0.0.0/8").Of(request(test.peer, "Own:8080", test.header...))
		if want := (forwarded.Origin{Base: test.base, Client: test.client}); got != want {
			t.Errorf("%s: %q: %+v, want %+v", test.rule, test.header, got, want)
		}
	}
}

func TestNonsenseCountsAsNotSaid(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"X-Forwarded-Host":  {"", "a b", "a/b", "a@b", "a\nb", `a"b`, "<script>", "a:0", "a:65536", "a:x", "a:", "a:1:2", "[::1", "::1", "[fe80::1%25eth0]", "[1.2.3.4]", "-a", "a?x", "a#x", "ä", strings.Repeat("a", 256)},
		"X-Forwarded-Proto": {"javascript", "javascript:", "ftp", "https:", "", "wss"},
		"X-Forwarded-Port":  {"0", "-1", "65536", "x", "08"},
		"X-Forwarded-Prefix": {"x", "//evil.example", "/a//b", "/..", "/a/../b", "/./a", "/a?b", "/a#b", "/a b", "/a\"b", "/<a>", "/%", "/%zz", "/%2e%2e/a",
			"/a%2fb", "/a%5cb", `/a\b`, "/%0d%0aX", "http://x", "/" + strings.Repeat("a", 255)},
		"X-Forwarded-For": {"unknown", "_hidden", "1.2.3", "1.2.3.4.5", "evil\n", "[::1", strings.Repeat("1", 70000)},
		"Forwarded": {"host=a b", `host="a/b"`, `host="a\`, "=a", "host", "host=", "ho st=a", `host="a" "b"`, `host="a"b`, "proto=javascript", "x=\"\x01\";host=a", "for=_x;host=\"\x01\"",
			strings.Repeat(",", 70000) + "host=a"},
	} {
		for _, value := range values {
			got := rules(t, "10.0.0.0/8").Of(request(proxy, "own", name, value))
			if got.Base != "http://own" || got.Client != "10.0.0.1" {
				t.Errorf("%s %.50q: %+v", name, value, got)
			}
		}
	}
}

func TestHostThatIsNoneIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "a b", `"><script>`, "a/b", "a@b"} {
		if got := rules(t, "").Of(request(stranger, host)); got.Base != "http://localhost" {
			t.Errorf("%q: %s", host, got.Base)
		}
	}
}

func TestBaseURLGoesBeforeAll(t *testing.T) {
	t.Parallel()
	r := rules(t, "10.0.0.0/8")
	var err error
	if r.Base, err = forwarded.ParseBase("https://example.org:8443/eventfeed/"); err != nil {
		t.Fatal(err)
	}
	got := r.Of(request(proxy, "own", "X-Forwarded-Host", "a", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Prefix", "/x"))
	if got.Base != "https://example.org:8443/eventfeed" || got.Client != "192.0.2.1" {
		t.Errorf("%+v", got)
	}
}

func TestUnixSocketIsTrustedOnlyIfItIsNamed(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"", "@", "/run/x.sock"} {
		r := request(peer, "own", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "a")
		if got := rules(t, "10.0.0.0/8").Of(r); got != (forwarded.Origin{Base: "http://own", Client: "unix"}) {
			t.Errorf("%q: %+v", peer, got)
		}
		if got := rules(t, "unix").Of(r); got != (forwarded.Origin{Base: "http://a", Client: "192.0.2.1"}) {
			t.Errorf("%q: %+v", peer, got)
		}
	}
}

func TestTrustedProxiesAreAddressesAndPrefixes(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"10.0.0.1", "10.0.0.0/8", " 192.168.0.0/16 , 10.0.0.1/32", "0.0.0.0/0", "::ffff:10.0.0.1"} {
		if got := rules(t, list).Of(request(proxy, "own", "X-Forwarded-Host", "a")); got.Base != "http://a" {
			t.Errorf("%q: %+v", list, got)
		}
	}
	for _, list := range []string{"10.0.0.2", "::/0", "", " "} {
		if got := rules(t, list).Of(request(proxy, "own", "X-Forwarded-Host", "a")); got.Base != "http://own" {
			t.Errorf("%q: %+v", list, got)
		}
	}
	for _, list := range []string{"proxy.example", "10.0.0.0/33", "10.0.0.1,", ",", "*", "10.0.0.1:80", "[::1]"} {
		if _, err := forwarded.ParseTrusted(list); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
	for _, base := range []string{"", "example.org", "ftp://x", "http://", "http://u:p@h", "http://h?x", "http://h#x", "javascript:x", "http://[::1"} {
		if _, err := forwarded.ParseBase(base); err == nil {
			t.Errorf("%q is accepted", base)
		}
	}
}

// FuzzOrigin holds that whatever a trusted proxy passes on, the base is a plain
// URL, nothing before what the proxy itself added is believed, and the walk
// ends.
func FuzzOrigin(f *testing.F) {
	f.Add(`for=1.1.1.1;host="a\"b";proto=https`, "a, b", "/x", "1.1.1.1, [::1]:2", "own:80")
	f.Add(`for="[::1]", ,;x="`, "[::1]:2", "/%41", "_x, unknown", "[::1]")
	f.Fuzz(func(t *testing.T, forwarded, host, prefix, client, own string) {
		r := request(proxy, own, "X-Forwarded-Host", host, "X-Forwarded-Prefix", prefix, "X-Forwarded-For", client)
		check(t, rules(t, "0.0.0.0/0,::/0").Of(r))
		r.Header = http.Header{"Forwarded": {forwarded}}
		check(t, rules(t, "0.0.0.0/0,::/0").Of(r))
		// In a field of its own, what a proxy adds always counts.
		r.Header.Add("Forwarded", "for=192.0.2.1;host=true.example;proto=https")
		if got := rules(t, "10.0.0.0/8").Of(r); got.Base != "https://true.example" || got.Client != "192.0.2.1" {
			t.Errorf("%q: %+v", forwarded, got)
		}
	})
}

func check(t *testing.T, got forwarded.Origin) {
	t.Helper()
	u, err := url.Parse(got.Base)
	if err != nil || u.String() != got.Base || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(got.Base, "/") || strings.ContainsAny(got.Base, "\"<>\\ \r\n\t") {
		t.Errorf("base %q: %v", got.Base, err)
	}
	if strings.ContainsAny(got.Client, " \r\n\"") {
		t.Errorf("client %q", got.Client)
	}
}
