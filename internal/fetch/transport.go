package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

// maxHeader is the maximum size of the header of an answer, in bytes.
const maxHeader = 256 << 10

// HTTPConfig configures an HTTP client.
type HTTPConfig struct {
	Connections int           // idle connections to keep for each server: the number of pages fetched at once
	Wait        time.Duration // length of a long poll, RFC 7240 section 4.3

	CA                string // PEM file of certificate authorities to trust in addition to the system's; may be empty
	ClientCertificate string // PEM file of the client certificate, for the origins of Own only; may be empty
	ClientKey         string // PEM file of the certificate's key
	Own               []*url.URL
}

// NewHTTPClient returns the default HTTP client for reading feeds.
func NewHTTPClient(connections int, wait time.Duration) *http.Client {
	client, err := HTTPConfig{Connections: connections, Wait: wait}.Client()
	if err != nil {
		panic(err) // it reads no file
	}
	return client
}

// Client returns an HTTP client. It uses the proxies of the environment. It reads its files now,
// and again when they have changed.
func (c HTTPConfig) Client() (*http.Client, error) {
	var transport http.RoundTripper = c.transport(nil)
	if c.CA != "" || c.ClientCertificate != "" {
		changing := &changingTransport{config: c}
		if err := changing.load(); err != nil {
			return nil, err
		}
		transport = changing
	}
	return &http.Client{Transport: transport, Timeout: RequestTimeout + c.Wait}, nil
}

func (c HTTPConfig) transport(config *tls.Config) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = c.Connections
	transport.ResponseHeaderTimeout = AnswerTimeout + c.Wait
	transport.MaxResponseHeaderBytes = maxHeader
	transport.DisableCompression = true // the client sets Accept-Encoding itself
	transport.OnProxyConnectResponse = checkProxy
	if config != nil {
		transport.TLSClientConfig = config
	}
	return transport
}

// proxyError reports that a proxy refused to connect to a server.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &proxyError{answer.StatusCode}
	}
	return nil
}

// lookEvery is the minimum time between two checks of the files.
const lookEvery = time.Second

// changingTransport has one transport for the feeds' own origins, and one without a client
// certificate for all others. It replaces both when a file changes. While a file is invalid, it
// keeps using the previous ones.
type changingTransport struct {
	config HTTPConfig

	mu         sync.Mutex
	own, other *http.Transport
	held       [3]string // the contents of the files
	looked     time.Time
}

func (t *changingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	own, other := t.present()
	isOwn := slices.ContainsFunc(t.config.Own, func(u *url.URL) bool { return Origin(u) == Origin(request.URL) })
	if isOwn {
		return own.RoundTrip(request)
	}
	return other.RoundTrip(request)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *changingTransport) CloseIdleConnections() {
	own, other := t.present()
	own.CloseIdleConnections()
	other.CloseIdleConnections()
}

func (t *changingTransport) present() (own, other *http.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) > lookEvery {
		_ = t.read() // an invalid file may be half written
	}
	return t.own, t.other
}

func (t *changingTransport) load() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read()
}

// read creates the transports again if the contents of the files have changed.
func (t *changingTransport) read() error {
	t.looked = time.Now()
	contents, err := t.config.read()
	if err != nil || t.own != nil && contents == t.held {
		return err
	}
	own, err := t.config.tls([]byte(contents[0]), []byte(contents[1]), []byte(contents[2]))
	if err != nil {
		return err
	}
	other := own.Clone()
	other.Certificates = nil
	before, beforeOther := t.own, t.other
	t.own, t.other, t.held = t.config.transport(own), t.config.transport(other), contents
	if before != nil {
		before.CloseIdleConnections()
		beforeOther.CloseIdleConnections()
	}
	return nil
}

// TLS returns the TLS configuration of the files as they are now.
func (c HTTPConfig) TLS() (*tls.Config, error) {
	contents, err := c.read()
	if err != nil {
		return nil, err
	}
	return c.tls([]byte(contents[0]), []byte(contents[1]), []byte(contents[2]))
}

// read returns the contents of the files: authorities, certificate and key.
func (c HTTPConfig) read() (contents [3]string, err error) {
	for i, path := range []string{c.CA, c.ClientCertificate, c.ClientKey} {
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return contents, err
		}
		contents[i] = string(content)
	}
	return contents, nil
}

// tls returns the configuration for the contents of the files.
func (c HTTPConfig) tls(authorities, certificate, key []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // the machine has no certificate authorities
		}
		if !pool.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("%s: holds no certificate in PEM", c.CA)
		}
		config.RootCAs = pool
	}
	if c.ClientCertificate != "" {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.ClientCertificate, c.ClientKey, err)
		}
		if pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
			return nil, fmt.Errorf("%s: has expired on %s", c.ClientCertificate, pair.Leaf.NotAfter.Format(time.DateOnly))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

var errNoKey = errors.New("a certificate needs its key, and a key its certificate")

// Check returns an error if the certificate or its key is missing.
func (c HTTPConfig) Check() error {
	if (c.ClientCertificate == "") != (c.ClientKey == "") {
		return errNoKey
	}
	return nil
}
