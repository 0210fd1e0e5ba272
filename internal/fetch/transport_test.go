package fetch_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

// pem is a folder of files in PEM.
type pem struct{ folder string }

func (p pem) write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(p.folder, name)
	must.OK(t, os.WriteFile(path, content, 0o600))
	return path
}

// serveCertified serves with a certificate, and asks for one of clients if
// there is an authority of theirs. It answers with the client's name.
func serveCertified(t testing.TB, certificate, key []byte, clients *testcert.Authority) *httptest.Server {
	t.Helper()
	pair, err := tls.X509KeyPair(certificate, key)
	must.OK(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, name)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		s.TLS.ClientCAs, s.TLS.ClientAuth = clients.Pool(), tls.RequireAndVerifyClientCert
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestTLSThatDoesNotComeAboutIsAnErrorAtOnce: each in words that say what it is.
func TestTLSThatDoesNotComeAboutIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	authority, other, day := testcert.New(t), testcert.New(t), time.Now().Add(24*time.Hour)
	files := pem{t.TempDir()}
	ca := files.write(t, "ca.pem", authority.PEM)
	issue := func(certificate, key []byte) []string { return []string{string(certificate), string(key)} }
	good := issue(authority.Issue(t, "server", day))
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, test := range map[string]struct {
		pair    []string
		clients *testcert.Authority
		client  []string
		url     string // instead of a server with this certificate, or its scheme
		want    string
	}{
		"unknown authority":       {issue(other.Issue(t, "server", day)), nil, nil, "", "x509: certificate signed by unknown authority"},
		"another host":            {issue(authority.IssueHost(t, "feeds.test", day)), nil, nil, "", "x509: cannot validate certificate for 127.0.0.1"},
		"expired":                 {issue(authority.Issue(t, "server", time.Now().Add(-time.Hour))), nil, nil, "", "x509: certificate has expired or is not yet valid"},
		"no TLS there":            {nil, nil, nil, strings.Replace(plain.URL, "http:", "https:", 1), "http: server gave HTTP response to HTTPS client"},
		"nothing but TLS there":   {good, nil, nil, "http:", "server answered 400 Bad Request: the server uses TLS, and the URL begins with http://"},
		"no certificate to show":  {good, authority, nil, "", "remote error: tls: certificate required"},
		"another one's to show":   {good, authority, issue(other.Issue(t, "reader", day)), "", "remote error: tls: "},
		"the right one's to show": {good, authority, issue(authority.Issue(t, "reader", day)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := test.url
			if test.pair != nil {
				s := serveCertified(t, []byte(test.pair[0]), []byte(test.pair[1]), test.clients)
				target = s.URL
				if test.url != "" {
					target = strings.Replace(s.URL, "https:", test.url, 1)
				}
			}
			config := fetch.HTTPConfig{CA: ca, Own: []*url.URL{parse(t, target)}}
			if test.client != nil {
				folder := pem{t.TempDir()}
				config.ClientCertificate, config.ClientKey = folder.write(t, "c.pem", []byte(test.client[0])), folder.write(t, "k.pem", []byte(test.client[1]))
			}
			client := newClient()
			var err error
			client.HTTP, err = config.Client()
			must.OK(t, err)
			started := time.Now()
			_, err = client.Get(t.Context(), parse(t, target))
			if test.want == "" {
				must.OK(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "gave up") || time.Since(started) > client.Patience {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestClientCertificateIsForTheFeedsOwnServer: another one that asks for one is
// shown none, and what replaces it is used.
func TestClientCertificateIsForTheFeedsOwnServer(t *testing.T) {
	t.Parallel()
	first, second, day := testcert.New(t), testcert.New(t), time.Now().Add(24*time.Hour)
	certificate, key := first.Issue(t, "server", day)
	own := serveCertified(t, certificate, key, first)
	files := pem{t.TempDir()}
	ca := files.write(t, "ca.pem", first.PEM)
	certificate, key = first.Issue(t, "reader", day)
	config := fetch.HTTPConfig{CA: ca, ClientCertificate: files.write(t, "c.pem", certificate), ClientKey: files.write(t, "k.pem", key), Own: []*url.URL{parse(t, own.URL)}}
	client := newClient()
	var err error
	client.HTTP, err = config.Client()
	must.OK(t, err)
	client.Feed = parse(t, own.URL)
	ask := func(s *httptest.Server) string {
		client.HTTP.CloseIdleConnections()
		answer, err := client.Get(t.Context(), parse(t, s.URL)) // an alert may be lost with its connection
		if err != nil {
			return errors.Unwrap(err).Error()
		}
		return string(answer.Body)
	}
	if got := ask(own); got != "reader" {
		t.Errorf("the feed's own server saw %s", got)
	}
	certificate, key = first.Issue(t, "other", day)
	asking := serveCertified(t, certificate, key, first)
	client.AllowOrigins = []string{fetch.Origin(parse(t, asking.URL))}
	if got := ask(asking); got != "remote error: tls: certificate required" {
		t.Errorf("another server saw %s", got)
	}
	certificate, key = first.Issue(t, "replaced", day)
	files.write(t, "c.pem", certificate) // no pair for a while
	time.Sleep(1100 * time.Millisecond)
	if got := ask(own); got != "reader" {
		t.Errorf("between two files the server saw %s", got)
	}
	files.write(t, "k.pem", key)
	for deadline := time.Now().Add(20 * time.Second); ask(own) != "replaced"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server saw %s", ask(own))
		}
	}
	certificate, key = second.Issue(t, "server", day)
	moved := serveCertified(t, certificate, key, nil)
	client.AllowOrigins = []string{fetch.Origin(parse(t, moved.URL))}
	if got := ask(moved); !strings.Contains(got, "unknown authority") {
		t.Errorf("trusted somebody else: %s", got)
	}
	files.write(t, "ca.pem", append(first.PEM, second.PEM...))
	for deadline := time.Now().Add(20 * time.Second); ask(moved) != "nobody"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a new authority is not trusted: %s", ask(moved))
		}
	}
}

func TestFilesThatAreNoGoodAreNamed(t *testing.T) {
	t.Parallel()
	authority, files := testcert.New(t), pem{t.TempDir()}
	certificate, key := authority.Issue(t, "reader", time.Now().Add(time.Hour))
	expired, expiredKey := authority.Issue(t, "reader", time.Now().Add(-time.Hour))
	c, k := files.write(t, "c.pem", certificate), files.write(t, "k.pem", key)
	for want, config := range map[string]fetch.HTTPConfig{
		"open /none/ca.pem: no such file": {CA: "/none/ca.pem"},
		"k.pem: holds no certificate":     {CA: k},
		"tls: private key does not match": {ClientCertificate: c, ClientKey: files.write(t, "e.pem", expiredKey)},
		"x.pem: has expired on ":          {ClientCertificate: files.write(t, "x.pem", expired), ClientKey: files.write(t, "y.pem", expiredKey)},
	} {
		if _, err := config.Client(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if (fetch.HTTPConfig{ClientKey: k}).Check() == nil || (fetch.HTTPConfig{ClientCertificate: c}).Check() == nil {
		t.Error("half a pair is enough")
	}
}
