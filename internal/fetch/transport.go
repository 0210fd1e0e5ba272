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

// maxHeader bounds the header of an answer, in bytes.
const maxHeader = 256 << 10

// HTTPConfig says how requests are made.
type HTTPConfig struct {
	Connections int           // kept to a server: as many as pages are fetched at once
	Wait        time.Duration // that a server may hold a request, RFC 7240 section 4.3

	CA                string // file of authorities to trust beside the system's, PEM; may be empty
	ClientCertificate string // file of the certificate to show to Own and nobody else, PEM; may be empty
	ClientKey         string // file of its key, PEM
	Own               []*url.URL
}

// NewHTTPClient returns the client that reads feeds where the caller brings
// none.
func NewHTTPClient(connections int, wait time.Duration) *http.Client {
	client, err := HTTPConfig{Connections: connections, Wait: wait}.Client()
	if err != nil {
		panic(err) // it reads no file
	}
	return client
}

// Client returns an HTTP client. It goes through the proxies that the
// environment names. Its files are read now, and anew when they have changed.
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
	transport.DisableCompression = true // we ask for zstd ourselves
	transport.OnProxyConnectResponse = checkProxy
	if config != nil {
		transport.TLSClientConfig = config
	}
	return transport
}

// proxyError says that a proxy refused to lead on to a server.
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

// lookEvery is how often files are looked at, while requests are made.
const lookEvery = time.Second

// changingTransport is a transport for the feeds' own origins and one for all
// others, which shows no certificate. Both are made anew when a file changes;
// while what the files hold is no good, those before stand.
type changingTransport struct {
	config HTTPConfig

	mu         sync.Mutex
	own, other *http.Transport
	held       []string // what the files held
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

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *changingTransport) CloseIdleConnections() {
	own, other := t.present()
	own.CloseIdleConnections()
	other.CloseIdleConnections()
}

func (t *changingTransport) present() (own, other *http.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) > lookEvery {
		_ = t.read() // what is no good yet may be half written
	}
	return t.own, t.other
}

func (t *changingTransport) load() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read()
}

// read makes the transports, if the files hold something else than before.
func (t *changingTransport) read() error {
	t.looked = time.Now()
	var contents []string
	for _, path := range []string{t.config.CA, t.config.ClientCertificate, t.config.ClientKey} {
		var content []byte
		if path != "" {
			var err error
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		contents = append(contents, string(content))
	}
	if slices.Equal(contents, t.held) {
		return nil
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

// tls makes a configuration of what the files hold.
func (c HTTPConfig) tls(authorities, certificate, key []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // a machine without any
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

// Check says what is missing.
func (c HTTPConfig) Check() error {
	if (c.ClientCertificate == "") != (c.ClientKey == "") {
		return errNoKey
	}
	return nil
}
