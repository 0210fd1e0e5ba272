package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

var nextDay = time.Now().Add(24 * time.Hour)

// secure is a server over TLS whose certificates a test changes.
type secure struct {
	tls    *TLS
	files  Files
	log    *bytes.Buffer
	url    string
	server *testcert.Authority // who its certificate is from
}

// serveTLS starts a server. It asks for client certificates if there is an
// authority for them.
func serveTLS(t *testing.T, clients *testcert.Authority) *secure {
	t.Helper()
	folder := t.TempDir()
	s := &secure{
		files:  Files{Certificate: filepath.Join(folder, "cert.pem"), Key: filepath.Join(folder, "key.pem")},
		log:    new(bytes.Buffer),
		server: testcert.New(t),
	}
	s.certify(t, "first", nextDay)
	if clients != nil {
		s.files.ClientCA = filepath.Join(folder, "clients.pem")
		write(t, s.files.ClientCA, string(clients.PEM))
	}
	var err error
	s.tls, err = LoadTLS(s.files, slog.New(slog.NewTextHandler(s.log, nil)))
	must.OK(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
		TLSConfig:         s.tls.Config(),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
	}
	s.url = "https://" + listener.Addr().String() + "/"
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// certify replaces the server's certificate and key.
func (s *secure) certify(t *testing.T, name string, until time.Time) {
	t.Helper()
	certificate, key := s.server.Issue(t, name, until)
	write(t, s.files.Certificate, string(certificate))
	write(t, s.files.Key, string(key))
}

// look lets the server see what is in its files.
func (s *secure) look() {
	for range 3 {
		s.tls.files.look()
		s.tls.warnOfEnd()
	}
}

// client returns a client of its own connections, with a certificate if it is
// given one.
func (s *secure) client(t *testing.T, pair ...[]byte) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: s.server.Pool(), MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if len(pair) == 2 {
		certificate, err := tls.X509KeyPair(pair[0], pair[1])
		must.OK(t, err)
		config.Certificates = []tls.Certificate{certificate}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get returns the protocol that was spoken, and the name on the server's
// certificate.
func get(t *testing.T, client *http.Client, url string) (proto, name string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	must.OK(t, err)
	response, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return string(body), response.TLS.PeerCertificates[0].Subject.CommonName, nil
}

func TestTLSKeepsHTTP2AndRefusesOldVersions(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, nil)
	if proto, _, err := get(t, s.client(t), s.url); proto != "HTTP/2.0" || err != nil {
		t.Errorf("%s %v", proto, err)
	}
	address := strings.Trim(strings.TrimPrefix(s.url, "https:"), "/")
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := &tls.Config{RootCAs: s.server.Pool(), MinVersion: version, MaxVersion: version}
		connection, err := tls.Dial("tcp", address, config)
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = connection.Close()
		}
	}
}

func TestNewCertificateIsUsedAndConnectionsStay(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, nil)
	old := s.client(t)
	for _, step := range []struct{ certify, old, fresh string }{
		{"", "first", "first"}, {"second", "first", "second"}, {"third", "first", "third"},
	} {
		if step.certify != "" {
			s.certify(t, step.certify, nextDay)
			s.look()
		}
		if _, name, err := get(t, old, s.url); name != step.old || err != nil {
			t.Errorf("%+v: the connection that was there: %s %v", step, name, err)
		}
		if proto, name, err := get(t, s.client(t), s.url); name != step.fresh || err != nil || proto != "HTTP/2.0" {
			t.Errorf("%+v: a new connection: %s %s %v", step, proto, name, err)
		}
	}
	if got := s.log.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, "WARN") {
		t.Errorf("log: %s", got)
	}
}

func TestBrokenCertificateLeavesTheOneBeforeAndWarnsOnce(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, nil)
	_, key := s.server.Issue(t, "other", nextDay)
	for range 2 {
		write(t, s.files.Key, string(key))
		s.look()
	}
	if _, name, err := get(t, s.client(t), s.url); name != "first" || err != nil {
		t.Errorf("%s %v", name, err)
	}
	if got := s.log.String(); strings.Count(got, "WARN") != 1 || strings.Count(got, "\n") != 1 || !strings.Contains(got, "private key does not match public key") {
		t.Errorf("log: %s", got)
	}
	s.certify(t, "second", nextDay)
	s.look()
	if _, name, err := get(t, s.client(t), s.url); name != "second" || err != nil {
		t.Errorf("%s %v", name, err)
	}
}

func TestClientCertificateIsRequiredAndItsAuthorityFollowed(t *testing.T) {
	t.Parallel()
	first, second := testcert.New(t), testcert.New(t)
	s := serveTLS(t, first)
	pair := func(a *testcert.Authority, until time.Time) [][]byte {
		certificate, key := a.Issue(t, "reader", until)
		return [][]byte{certificate, key}
	}
	goodPair := pair(first, nextDay)
	good := s.client(t, goodPair...)
	if proto, _, err := get(t, good, s.url); err != nil || proto != "HTTP/2.0" {
		t.Fatalf("%s %v", proto, err)
	}
	for what, client := range map[string]*http.Client{
		"none":            s.client(t),
		"another's":       s.client(t, pair(second, nextDay)...),
		"one that is old": s.client(t, pair(first, time.Now().Add(-time.Hour))...),
	} {
		if _, _, err := get(t, client, s.url); err == nil {
			t.Errorf("certificate: %s: let in", what)
		}
	}
	write(t, s.files.ClientCA, string(second.PEM))
	s.look()
	if _, _, err := get(t, s.client(t, pair(second, nextDay)...), s.url); err != nil {
		t.Error(err)
	}
	// A session that began before must not be gone on with on a new connection.
	good.CloseIdleConnections()
	if _, _, err := get(t, good, s.url); err == nil {
		t.Error("an authority that was taken out still lets in")
	}
	write(t, s.files.ClientCA, string(second.PEM)+string(first.PEM))
	s.look()
	if _, _, err := get(t, good, s.url); err != nil {
		t.Error(err)
	}
}

func TestExpiredCertificateIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	s := serveTLS(t, nil)
	s.certify(t, "old", time.Now().Add(-time.Minute))
	s.look()
	s.look()
	if got := s.log.String(); strings.Count(got, "has expired") != 1 {
		t.Errorf("log: %s", got)
	}
	var log bytes.Buffer
	_, err := LoadTLS(s.files, slog.New(slog.NewTextHandler(&log, nil)))
	must.OK(t, err)
	if strings.Count(log.String(), "has expired") != 1 {
		t.Errorf("log at start: %s", &log)
	}
}

func TestFilesThatAreNoCertificatesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := testcert.New(t)
	certificate, key := a.Issue(t, "a", nextDay)
	_, other := a.Issue(t, "b", nextDay)
	pemOf := func(kind string) string { return fmt.Sprintf("-----BEGIN %s-----\nAAAA\n-----END %[1]s-----\n", kind) }
	for _, test := range []struct{ certificate, key, clients, want string }{
		{string(certificate), string(other), string(a.PEM), "private key does not match public key"},
		{string(key), string(certificate), string(a.PEM), "may have been switched"},
		{"", string(key), string(a.PEM), "failed to find any PEM"},
		{string(certificate), pemOf("ENCRYPTED PRIVATE KEY"), string(a.PEM), "the key is encrypted"},
		{string(certificate), string(key), "", "there is none in it"},
		{string(certificate), string(key), string(key), "has a private key in it"},
		{string(certificate), string(key), string(a.PEM) + pemOf("CERTIFICATE"), "x509: "},
		{string(certificate), string(key), string(a.PEM) + strings.ReplaceAll(pemOf("CERTIFICATE"), "A", "!"), "1 of 2 are damaged"},
		{string(certificate), string(key), string(a.PEM) + string(a.PEM[:len(a.PEM)/2]), "1 of 2 are damaged"},
	} {
		folder := t.TempDir()
		files := Files{filepath.Join(folder, "c"), filepath.Join(folder, "k"), filepath.Join(folder, "ca")}
		for path, text := range map[string]string{files.Certificate: test.certificate, files.Key: test.key, files.ClientCA: test.clients} {
			must.OK(t, os.WriteFile(path, []byte(text), 0o600))
		}
		_, err := LoadTLS(files, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), folder) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
