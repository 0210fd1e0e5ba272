package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

// house is a folder with the commands, and a server's certificates in it.
type house struct {
	t         *testing.T
	folder    string
	authority *testcert.Authority
	log       string // of the server that was started last, until it served
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, folder: t.TempDir(), authority: testcert.New(t)}
	install(t, h.folder)
	h.write("ca.pem", h.authority.PEM)
	h.certify("first")
	return h
}

func (h *house) write(name string, content []byte) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.folder, name), content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// certify gives the server another certificate, first the one, then the key.
func (h *house) certify(name string) {
	h.t.Helper()
	certificate, key := h.authority.Issue(h.t, name, time.Now().Add(24*time.Hour))
	h.write("cert.pem", certificate)
	h.write("key.pem", key)
}

// run runs a command in the house, which trusts the authority.
func (h *house) run(name string, arguments ...string) (string, error) {
	command := exec.CommandContext(h.t.Context(), filepath.Join(h.folder, name), arguments...)
	command.Dir = h.folder
	command.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(h.folder, "ca.pem"))
	out, err := command.CombinedOutput()
	return string(out), err
}

// must runs a command that must succeed.
func (h *house) must(name string, arguments ...string) {
	h.t.Helper()
	if out, err := h.run(name, arguments...); err != nil {
		h.t.Fatalf("%s %q: %v\n%s", name, arguments, err, out)
	}
}

// serve starts a server until the end of the test, and returns its URL.
func (h *house) serve(arguments ...string) (url string) {
	h.t.Helper()
	command := exec.CommandContext(context.Background(), filepath.Join(h.folder, "feedserver"), append([]string{"serve", "--listen", "127.0.0.1:0"}, arguments...)...)
	command.Dir = h.folder
	stderr, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var log bytes.Buffer
	for url == "" && lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if match := servingURL.FindStringSubmatch(lines.Text()); match != nil {
			url = match[1]
		}
	}
	h.log = log.String()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
			log.WriteString(lines.Text() + "\n")
		}
	}()
	h.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-drained
		if err := command.Wait(); err != nil {
			h.t.Errorf("server: %v", err)
		}
		if h.t.Failed() {
			h.t.Logf("server:\n%s", &log)
		}
	})
	if url == "" {
		h.t.Fatalf("it does not serve:\n%s", &log)
	}
	return url
}

// get asks on a connection of its own, and returns the answer's protocol and
// the name on the server's certificate.
func (h *house) get(url string, certificates ...tls.Certificate) (proto, name string, err error) {
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		RootCAs: h.authority.Pool(), Certificates: certificates, MinVersion: tls.VersionTLS12,
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return "", "", err
	}
	_ = response.Body.Close()
	return response.Proto, response.TLS.PeerCertificates[0].Subject.CommonName, nil
}

func TestServeSpeaksTLSWithTheNewestCertificate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	url := h.serve("--tls-cert", "cert.pem", "--tls-key", "key.pem")
	if proto, name, err := h.get(url + "/"); proto != "HTTP/2.0" || name != "first" || err != nil {
		t.Errorf("%s %s %v", proto, name, err)
	}
	h.must("seeder", "run", "--from", url+"/feeds/orders", "--into", "sqlite:target.db")
	if response, err := http.Get(strings.Replace(url, "https:", "http:", 1)); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %v %v", response, err)
	}
	h.certify("second")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, name, err := h.get(url + "/")
		if name == "second" {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the new certificate is not used: %s %v", name, err)
		}
	}
}

func TestServeAsksClientsForCertificates(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clients := testcert.New(t)
	h.write("clients.pem", clients.PEM)
	h.must("feedserver", "create", "orders")
	url := h.serve("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--client-ca", "clients.pem")
	if _, _, err := h.get(url + "/"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	for _, test := range []struct {
		from *testcert.Authority
		want bool
	}{{clients, true}, {h.authority, false}} {
		pair, err := tls.X509KeyPair(test.from.Issue(t, "reader", time.Now().Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.get(url+"/", pair); (err == nil) != test.want {
			t.Errorf("%v: %v", test.want, err)
		}
	}
}

// token makes a token, and adds its lines to the server's file.
func (h *house) token(arguments ...string) string {
	h.t.Helper()
	var lines, token bytes.Buffer
	command := exec.CommandContext(h.t.Context(), filepath.Join(h.folder, "feedserver"), append([]string{"token"}, arguments...)...)
	command.Stdout, command.Stderr = &lines, &token
	if err := command.Run(); err != nil || strings.Contains(lines.String(), strings.TrimSpace(token.String())) {
		h.t.Fatalf("%v\n%s\n%s", err, &lines, &token)
	}
	before, err := os.ReadFile(filepath.Join(h.folder, "tokens.toml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	h.write("tokens.toml", append(before, lines.Bytes()...))
	return strings.TrimSuffix(token.String(), "\n")
}

// A token opens what its lines say, to whoever sends it as bearer or as
// password, and nothing else is open.
func TestServeAsksForTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	h.must("feedserver", "create", "secrets")
	shipping, backup := h.token("shipping", "--read", "orders"), h.token("backup", "--read", "*")
	url := h.serve("--tokens", "tokens.toml")
	ask := func(path, token string, as func(*http.Request, string)) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		as(r, token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	none := func(*http.Request, string) {}
	bearer := func(r *http.Request, token string) { r.Header.Set("Authorization", "Bearer "+token) }
	basic := func(r *http.Request, token string) { r.SetBasicAuth("anyone", token) }
	for _, test := range []struct {
		path, token string
		as          func(*http.Request, string)
		want        int
	}{
		{"/feeds/orders", "", none, 401}, {"/feeds/none", "", none, 401}, {"/", "", none, 401},
		{"/feeds/orders", "wrong", bearer, 401}, {"/feeds/orders", "wrong", basic, 401}, {"/feeds/orders", "", basic, 401},
		{"/feeds/orders", shipping, bearer, 200}, {"/feeds/orders", shipping, basic, 200},
		{"/feeds/secrets", shipping, bearer, 404}, {"/feeds/none", shipping, bearer, 404},
		{"/feeds/secrets", backup, bearer, 200}, {"/", backup, bearer, 200},
	} {
		response := ask(test.path, test.token, test.as)
		if challenge := response.Header.Values("WWW-Authenticate"); response.StatusCode != test.want || (test.want == 401) != (len(challenge) == 2) {
			t.Errorf("%s with %q: %s %v", test.path, test.token, response.Status, response.Header)
		}
		if cache := response.Header.Get("Cache-Control"); strings.Contains(cache, "public") || cache == "" {
			t.Errorf("%s with %q: Cache-Control %q", test.path, test.token, cache)
		}
	}
	// Nor does the question which feed was meant tell of one that may not be read.
	for token, want := range map[string]string{shipping: "feed secret: no such feed", backup: "feed secret: no such feed; did you mean secrets?"} {
		response := ask("/feeds/secret", token, bearer)
		var problem struct{ Detail string }
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || problem.Detail != want {
			t.Errorf("%q, %v, want %q", problem.Detail, err, want)
		}
	}
	h.write("tokens.toml", []byte("# all taken back\n"))
	for deadline := time.Now().Add(30 * time.Second); ask("/feeds/orders", shipping, bearer).StatusCode != 401; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a token that was taken back still opens")
		}
	}
}

func TestTokensInTheClearAreWarnedOf(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders")
	h.token("backup", "--read", "*")
	for _, test := range []struct {
		flags []string
		want  bool
	}{
		{[]string{"--listen", "0.0.0.0:0"}, true},
		{[]string{"--listen", "0.0.0.0:0", "--base-url", "http://feeds.example"}, true},
		{[]string{"--listen", "0.0.0.0:0", "--base-url", "https://feeds.example"}, false},
		{[]string{"--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"}, false},
		{[]string{"--listen", "127.0.0.1:0"}, false},
	} {
		var log string
		t.Run(strings.Join(test.flags, " "), func(t *testing.T) {
			inner := &house{t: t, folder: h.folder, authority: h.authority}
			inner.serve(append(test.flags, "--tokens", "tokens.toml")...)
			log = inner.log
		})
		if strings.Contains(log, "clients send tokens unencrypted") != test.want {
			t.Errorf("%q:\n%s", test.flags, log)
		}
	}
}
