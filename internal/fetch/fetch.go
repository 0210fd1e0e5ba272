// Package fetch gets documents over HTTP, whatever is in them: it tries again
// what may pass, bounds what it reads, and stays on the origin it was sent to.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// ErrGaveUp is returned, wrapped, for what may pass and has not, for as long as
// the client's patience lasted.
var ErrGaveUp = errors.New("gave up")

// ErrUnauthorized is returned, wrapped, where a server wants to know who asks:
// the feed's URL holds no token, or one that it does not know.
var ErrUnauthorized = errors.New("a token is needed")

// Error is what came of fetching a URL where no document did.
type Error struct {
	URL string // without passwords
	Err error
}

func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrBody is returned, wrapped, for an answer that came whole and cannot be
// what was asked for.
var ErrBody = errors.New("unusable answer")

// errRedirect says that the server sends its readers where they do not follow.
var errRedirect = errors.New("cannot follow the redirect")

// Bounds of a request that is not held: until its answer begins, and in all.
const (
	AnswerTimeout  = 30 * time.Second
	RequestTimeout = 2 * time.Minute
)

// Client fetches documents.
type Client struct {
	HTTP   *http.Client
	Logger *slog.Logger
	// Patience is how long what may pass is tried again: a server that is
	// away, an answer that breaks off. Negative means without end.
	Patience time.Duration

	away atomic.Bool // the last request got no answer
}

// NewHTTPClient returns the client that reads feeds where the caller brings
// none. It keeps as many connections as pages are fetched at once, and follows
// redirects only on the origin that it was sent to. A server may hold its
// requests for as long as wait.
func NewHTTPClient(connections int, wait time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	transport.ResponseHeaderTimeout = AnswerTimeout + wait
	transport.DisableCompression = true // we ask for zstd ourselves
	return &http.Client{Transport: transport, Timeout: RequestTimeout + wait, CheckRedirect: sameOrigin}
}

func sameOrigin(next *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w to %s: it is the tenth", errRedirect, next.URL.Redacted())
	}
	if first := via[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("%w to %s: it leads to another origin, give that URL if it is where the feed is now", errRedirect, next.URL.Redacted())
	}
	return nil
}

// Response is an answer, read whole.
type Response struct {
	URL         *url.URL // where it came from, after redirects
	Header      http.Header
	ETag        string
	NotModified bool
	Partial     bool // 226: no more than what follows the document that the request named
	Waits       bool // the server takes a wish to be kept waiting, RFC 7240 section 4.3
	Body        []byte
}

// Get fetches a URL, and tries again for as long as Patience lasts what may
// pass. Conditions are further header fields in pairs.
func (c *Client) Get(ctx context.Context, target *url.URL, conditions ...string) (*Response, error) {
	started := time.Now()
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 5*time.Second
	for {
		answer, err := c.Try(ctx, target, conditions...)
		if err == nil {
			if c.away.CompareAndSwap(true, false) {
				c.Logger.Info("server answers again", "url", target.Redacted())
			}
			return answer, nil
		}
		err = &Error{target.Redacted(), err}
		if ctx.Err() != nil || !MayPass(err) {
			return nil, err
		}
		if c.Patience >= 0 && time.Since(started) > c.Patience {
			return nil, fmt.Errorf("%w: %w", ErrGaveUp, err)
		}
		wait := policy.NextBackOff()
		level := slog.LevelDebug // one warning an outage, however many pages are being fetched
		if c.away.CompareAndSwap(false, true) {
			level = slog.LevelWarn
		}
		c.Logger.Log(ctx, level, "cannot fetch, trying again", "error", err, "wait", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Try fetches a URL once.
func (c *Client) Try(ctx context.Context, target *url.URL, conditions ...string) (*Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", feed.ContentType+", */*;q=0.1") // whatever else it is, the error can say so
	request.Header.Set("Accept-Encoding", "zstd")
	request.Header.Set("User-Agent", "eventfeed")
	for i := 0; i+1 < len(conditions); i += 2 {
		request.Header.Set(conditions[i], conditions[i+1])
	}
	answer, err := c.HTTP.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, compress.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > compress.MaxBody {
		return nil, fmt.Errorf("%w: %w", ErrBody, compress.ErrTooLarge)
	}
	result := &Response{URL: answer.Request.URL, Header: answer.Header, ETag: answer.Header.Get("ETag"), Waits: applied(answer.Header, "wait")}
	switch {
	case answer.StatusCode == http.StatusNotModified && isConditional(request):
		result.NotModified = true
		return result, nil
	case answer.StatusCode == http.StatusIMUsed && request.Header.Get("A-IM") != "" && isDelta(answer.Header):
		result.Partial = true
	case answer.StatusCode != http.StatusOK:
		return nil, &statusError{answer.StatusCode, reason(answer.Header.Get("Content-Type"), body)}
	}
	switch coding := answer.Header.Get("Content-Encoding"); coding {
	case "zstd":
		if result.Body, err = compress.Unzstd(body); err != nil {
			err = fmt.Errorf("%w: %w", ErrBody, err)
		}
	case "", "identity":
		result.Body = body
	default:
		err = fmt.Errorf("answer has the Content-Encoding %q, which was not asked for", coding)
	}
	return result, err
}

// isConditional reports whether "not modified" answers a request.
func isConditional(request *http.Request) bool {
	return request.Header.Get("If-None-Match") != "" || request.Header.Get("If-Modified-Since") != ""
}

// requestError is an error of a request that got no answer, in the words of
// what went wrong: the caller names the URL.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

func withoutURL(err error) error {
	if named, ok := errors.AsType[*url.Error](err); ok { // everything that http.Client.Do returns is one
		err = named.Err
	}
	return &requestError{err}
}

// MayPass reports whether the same request may have an answer in a while.
func MayPass(err error) bool {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.status >= 500 || status.status == http.StatusTooManyRequests || status.status == http.StatusRequestTimeout
	}
	if _, isDo := errors.AsType[*requestError](err); isDo {
		return !isPermanent(err)
	}
	_, isNet := errors.AsType[net.Error](err)
	return isNet || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// isPermanent reports whether a request that got no answer will get none the
// next time either.
func isPermanent(err error) bool {
	if errors.Is(err, errRedirect) {
		return true
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isAlert := errors.AsType[tls.AlertError](err)
	_, isNoTLS := errors.AsType[tls.RecordHeaderError](err)
	return isDNS && dns.IsNotFound || isCertificate || isAlert || isNoTLS
}
