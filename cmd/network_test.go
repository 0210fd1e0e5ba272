package cmd_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

// say runs the seeder with variables of its own, and returns its exit status
// and what it says, with NAME for each value of names.
func (h *house) say(variables []string, names map[string]string, arguments ...string) (status int, said string) {
	h.t.Helper()
	command := exec.CommandContext(h.t.Context(), filepath.Join(h.folder, "seeder"), arguments...)
	command.Dir = h.folder
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.folder, "SSL_CERT_FILE=" + filepath.Join(h.folder, "none.pem"), "SSL_CERT_DIR=" + h.folder + "/none"}, variables...)
	out, err := command.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		h.t.Fatal(err)
	}
	said = string(out)
	for name, value := range names {
		said = strings.ReplaceAll(said, value, name)
	}
	return status, said
}

// want compares what a command said and how it ended.
func (h *house) want(status int, want string, variables []string, names map[string]string, arguments ...string) {
	h.t.Helper()
	if got, said := h.say(variables, names, arguments...); got != status || said != want {
		h.t.Errorf("seeder %q: status %d, want %d; it says\n%swant\n%s", arguments, got, status, said, want)
	}
}

const showWho = `give credentials: with --bearer-file FILE for a token, --header 'NAME: VALUE', or --client-certificate FILE --client-key FILE; a token of feedserver may also be the password in the URL, https://anyone:TOKEN@HOST/feeds/NAME, which is best kept in $EVENTFEED_FROM or a file for --config
`

// What keeps a seeder out is said at once, with what lets it in; and that does.
func TestSeederSaysWhatLetsItIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	clients := testcert.New(t)
	certificate, key := clients.Issue(t, "shipping", time.Now().Add(time.Hour))
	h.write("clients.pem", clients.PEM)
	h.write("client.pem", certificate)
	h.write("client-key.pem", key)
	h.write("none.pem", nil)
	token := h.token("shipping", "--read", "orders")
	h.write("token", []byte(token+"\n"))
	h.write("wrong", []byte("sekret\n"))
	open := h.serve("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tokens", "tokens.toml")
	closed := h.serve("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--client-ca", "clients.pem")
	names := map[string]string{"OPEN": open, "CLOSED": closed}
	feed, plain := open+"/feeds/orders", strings.Replace(open, "https:", "http:", 1)+"/feeds/orders"

	h.want(1, `seeder: OPEN/feeds/orders: tls: failed to verify certificate: x509: certificate signed by unknown authority
if a private authority has issued the server's certificate, trust that authority with: --ca FILE
`, nil, names, "verify", "--from", feed)
	h.want(1, "seeder: OPEN/feeds/orders: server answered 401 Unauthorized: a token is required: send it as Authorization: Bearer TOKEN, or as the password of HTTP Basic\n"+showWho,
		nil, names, "verify", "--from", feed, "--ca", "ca.pem")
	names["PLAIN"] = plain
	h.want(1, "seeder: PLAIN: server answered 400 Bad Request: the server uses TLS, and the URL begins with http://\nuse https:// in the URL\n",
		nil, names, "verify", "--from", plain)
	h.want(0, "position 0 digest "+emptyDigest(h, token, open)+"\n", nil, names, "verify", "--from", feed, "--ca", "ca.pem", "--bearer-file", "token")
	for _, arguments := range [][]string{{"verify", "--from"}, {"inspect"}, {"run", "--into", "sqlite:x.db", "--from"}} {
		arguments = append(arguments, feed, "--ca", "ca.pem")
		for _, way := range [][]string{{"--bearer-file", "token"}, {"--header", "Authorization: Bearer " + token}, {"--header", "X-Other: 5", "--header", "authorization:Bearer " + token}} {
			if status, said := h.say(nil, nil, append(arguments, way...)...); status != 0 || strings.Contains(said, token) {
				t.Errorf("%q: status %d: %s", arguments, status, said)
			}
		}
		for _, variable := range []string{"EVENTFEED_BEARER_FILE=token", "EVENTFEED_HEADER=X-Other: 5\nAuthorization: Bearer " + token} {
			if status, said := h.say([]string{variable}, nil, arguments...); status != 0 || strings.Contains(said, "warning") {
				t.Errorf("%s: status %d: %s", variable, status, said)
			}
		}
	}

	const refusal = "seeder: OPEN/feeds/orders: server answered 401 Unauthorized: "
	status, said := h.say(nil, names, "verify", "--from", feed, "--ca", "ca.pem", "--bearer-file", "wrong")
	if status != 1 || !strings.HasPrefix(said, refusal) || !strings.Contains(said, "\nthe server refused the credentials: ") {
		t.Errorf("with a token that the server does not know: status %d: %s", status, said)
	}
	status, said = h.say(nil, names, "verify", "--from", open+"/feeds/other", "--ca", "ca.pem", "--bearer-file", "token")
	if status != 1 || !strings.Contains(said, "\ncheck the URL; or this token may not read it; an eventfeed server lists its feeds at OPEN/\n") {
		t.Errorf("a feed that the token may not read: status %d: %s", status, said)
	}
	status, said = h.say(nil, names, "status", "--into", "sqlite:x.db", "--ca", "ca.pem", "--bearer-file", "token")
	if status != 0 || !strings.Contains(said, "credentials go only to the servers of --from: add --from OPEN/feeds/orders\n") {
		t.Errorf("status that was not told where the token goes: status %d: %s", status, said)
	}
	must.OK(t, os.Chmod(filepath.Join(h.folder, "token"), 0o644))
	status, said = h.say(nil, nil, "verify", "--from", feed, "--ca", "ca.pem", "--bearer-file", "token")
	if status != 0 || strings.Count(said, "seeder: warning: everyone on this machine can read the token in token; change that with: chmod o= token\n") != 1 {
		t.Errorf("a token that everyone can read: status %d: %s", status, said)
	}

	const ask = `: remote error: tls: certificate required
the server and this program do not agree on TLS; if it asks for a certificate, give one that it trusts with: --client-certificate FILE --client-key FILE
`
	// With TLS 1.3 the alert comes after the handshake, and may be lost with the connection: then it tries again.
	if status, said := h.say(nil, names, "verify", "--from", closed+"/feeds/orders", "--ca", "ca.pem"); status != 1 || !strings.HasSuffix(said, "seeder: CLOSED/feeds/orders"+ask) {
		t.Errorf("without a certificate: status %d: %s", status, said)
	}
	if status, said := h.say(nil, nil, "verify", "--from", closed+"/feeds/orders", "--ca", "ca.pem", "--client-certificate", "client.pem", "--client-key", "client-key.pem"); status != 0 {
		t.Errorf("with a certificate: status %d: %s", status, said)
	}

	const help = "for help: seeder verify --help\n"
	for want, flags := range map[string][]string{
		"--header: must be a name, a colon and a value, such as 'X-Api-Key: 1234'":                                                   {"--header", "sekret"},
		"--header: Host: is set by the program itself, or cannot be set":                                                             {"--header", "Host: sekret"},
		"--header: X-Key: has an invalid value for a header field":                                                                   {"--header", "X-Key: "},
		"--bearer-file: open nothing: no such file or directory":                                                                     {"--bearer-file", "nothing"},
		"--bearer-file: none.pem: is empty, and should hold a token":                                                                 {"--bearer-file", "none.pem"},
		"--bearer-file and --header Authorization: use only one of them":                                                             {"--bearer-file", "wrong", "--header", "Authorization: sekret"},
		"--client-certificate and --client-key: a certificate needs its key, and a key its certificate":                              {"--client-key", "key.pem"},
		"--ca, --client-certificate, --client-key: none.pem: holds no certificate in PEM":                                            {"--ca", "none.pem"},
		`--allow-origin: "http://a.example/feeds": must be no more than scheme, host and port, such as https://archive.example:8443`: {"--allow-origin", "http://a.example/feeds"},
	} {
		status, said := h.say(nil, nil, append([]string{"verify", "--from", feed}, flags...)...)
		if status != 2 || !strings.HasSuffix(said, "seeder: "+want+"\n"+help) || strings.Contains(said, secretWord) {
			t.Errorf("%q: status %d: %s", flags, status, said)
		}
	}
}

// emptyDigest is the digest of a feed without events, as its server says.
func emptyDigest(h *house, token, url string) string {
	h.t.Helper()
	_, said := h.say(nil, nil, "inspect", url+"/feeds/orders", "--ca", "ca.pem", "--header", "Authorization: Bearer "+token, "--json")
	_, said, _ = strings.Cut(said, `"digest": "`)
	digest, _, _ := strings.Cut(said, `"`)
	return digest
}

// No value of a header is ever shown, whatever becomes of it.
func TestSeederShowsNoHeader(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	url := h.serve() + "/feeds/none"
	h.write("seeder.toml", []byte("header = \"X-Api-Key: sekret\\nCookie: sekret\"\nfrom = \""+url+"\"\n"))
	if err := os.Chmod(filepath.Join(h.folder, "seeder.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want      string
		variables []string
		arguments []string
	}{
		{`header="X-Api-Key: xxxxx, Cookie: xxxxx" header.from=flag`, nil, []string{"--from", url, "--header", "X-Api-Key: sekret", "--header", "Cookie: sekret"}},
		{"others on this machine can see the password in --header, in the list of processes; give it in $EVENTFEED_HEADER or a file for --config", nil, []string{"--from", url, "--header", "X-Api-Key: sekret"}},
		{`header="X-Api-Key: xxxxx" header.from=environment`, []string{"EVENTFEED_HEADER=X-Api-Key: sekret"}, []string{"--from", url}},
		{`header="X-Api-Key: xxxxx, Cookie: xxxxx" header.from=file`, nil, []string{"--config", "seeder.toml"}},
		{"everyone on this machine can read the password in seeder.toml", nil, []string{"--config", "seeder.toml"}},
		{"--header: must be a name", []string{"EVENTFEED_HEADER=sekret"}, []string{"--from", url}},
		{"unknown command", nil, []string{"Authorization: Bearer sekret"}},
		{"X-Tenant: xxxxx", nil, []string{"--from", url, "--header=X-Tenant:sekret"}},
	} {
		status, said := h.say(test.variables, nil, append([]string{"run", "--follow", "--into", "sqlite:x.db"}, test.arguments...)...)
		if status == 0 || !strings.Contains(said, test.want) || strings.Contains(said, secretWord) {
			t.Errorf("%q: status %d: %s", test.arguments, status, said)
		}
	}
}

// forward is a proxy of the kind that clients are told of.
type forward struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	status int // instead of an answer
}

// newForward starts one that leads each host to the same address.
func newForward(t *testing.T, address string) *forward {
	t.Helper()
	f := &forward{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.Host)
		status := f.status
		f.mu.Unlock()
		switch {
		case status != 0:
			w.WriteHeader(status)
		case r.Method == http.MethodConnect:
			tunnel(w, address)
		default:
			r.URL.Host, r.RequestURI = address, ""
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer func() { _ = answer.Body.Close() }()
			maps.Copy(w.Header(), answer.Header)
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func tunnel(w http.ResponseWriter, address string) {
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

func (f *forward) take(status int) (asked string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked, f.asked, f.status = strings.Join(f.asked, "\n"), nil, status
	return asked
}

// Proxies come from the environment, but for the hosts of NO_PROXY.
func TestSeederGoesThroughTheProxiesOfTheEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	certificate, key := h.authority.IssueHost(t, "feeds.invalid", time.Now().Add(time.Hour))
	h.write("host.pem", certificate)
	h.write("host-key.pem", key)
	plain := newForward(t, strings.TrimPrefix(h.serve("--trusted-proxies", "127.0.0.1"), "http://"))
	secure := newForward(t, strings.TrimPrefix(h.serve("--tls-cert", "host.pem", "--tls-key", "host-key.pem", "--trusted-proxies", "127.0.0.1"), "https://"))
	variables := []string{"HTTP_PROXY=" + plain.URL, "https_proxy=" + secure.URL}
	for _, test := range []struct {
		from   string
		no     string
		status int // of the proxy's answer
		ends   int
		says   string
		asked  string
	}{
		{"http://feeds.invalid/feeds/orders", "", 0, 0, "position 0 digest", "GET feeds.invalid"},
		{"https://feeds.invalid/feeds/orders", "", 0, 0, "position 0 digest", "CONNECT feeds.invalid:443"},
		{"http://feeds.invalid/feeds/orders", "example.org,.invalid", 0, 1, "feeds.invalid", ""},
		{"https://feeds.invalid/feeds/orders", "*", 0, 1, "feeds.invalid", ""},
		{"http://feeds.invalid/feeds/orders", "", 407, 1, "server answered 407 Proxy Authentication Required\n", "GET feeds.invalid"},
		{"https://feeds.invalid/feeds/orders", "", 407, 1, "seeder: https://feeds.invalid/feeds/orders: the proxy answered 407 Proxy Authentication Required\n", "CONNECT feeds.invalid:443"},
		{"https://feeds.invalid/feeds/orders", "", 502, 1, "seeder: gave up: https://feeds.invalid/feeds/orders: the proxy answered 502 Bad Gateway\n", "CONNECT feeds.invalid:443"},
	} {
		plain.take(test.status)
		secure.take(test.status)
		status, said := h.say(append(variables, "NO_PROXY="+test.no), nil, "verify", "--from", test.from, "--ca", "ca.pem", "--patience", "0s")
		asked := plain.take(0) + secure.take(0)
		if status != test.ends || !strings.Contains(said, test.says) || asked != test.asked {
			t.Errorf("%s: status %d, and the proxy was asked for %q: %s", test.from, status, asked, said)
		}
	}
}
