// Package fetch fetches documents over HTTP. It retries transient errors, limits what it reads, and
// stays on the feed's origin.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// ErrGaveUp is returned, wrapped, for a transient error that has lasted for the retry timeout.
var ErrGaveUp = errors.New("gave up")

// Errors of a server that requires credentials; both are wrapped.
var (
	// ErrUnauthorized reports that a request had no credentials, or unknown ones.
	ErrUnauthorized = errors.New("credentials are needed")
	// ErrForbidden reports that the client may not read the document.
	ErrForbidden = errors.New("not allowed")
)

// ErrSpeaksTLS is returned, wrapped, if a server uses TLS and the request did not.
var ErrSpeaksTLS = errors.New("the server uses TLS, and the URL begins with http://")

// Error is the error of fetching a URL.
type Error struct {
	URL string // without passwords
	Err error
}

func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// The timeouts of a request that is not a long poll: until the answer begins, and in total.
const (
	AnswerTimeout  = 30 * time.Second
	RequestTimeout = 5 * time.Minute
	// DefaultStall is the default of Client.Stall.
	DefaultStall = 30 * time.Second
)

// Client fetches documents.
type Client struct {
	HTTP   *http.Client
	Logger *slog.Logger
	// Patience is the retry timeout for transient errors, such as an unavailable server or an answer
	// that is cut off. A negative value means no limit; then an unknown host name counts as
	// transient too, because the server may be starting at the same time.
	Patience time.Duration

	// Feed is the feed's URL. Requests may go to its origin, with the user and password in the URL. nil
	// means the URL of the first request.
	Feed *url.URL
	// AllowOrigins are further origins, in the form of [Origin], to which redirects and links may
	// lead. Requests to them have no credentials.
	AllowOrigins []string
	// Credentials returns the credentials for requests to the feed's own origin; nil means none.
	Credentials Credentials
	// MaxDocument is the maximum size of a foreign document, decompressed, in bytes. 0 means
	// DefaultMaxDocument.
	MaxDocument int64
	// Stall is the maximum time between two pieces of an answer. 0 means DefaultStall.
	Stall time.Duration

	first atomic.Pointer[url.URL] // the URL of the first request
	away  outage
}

// Response is a complete answer.
type Response struct {
	URL         *url.URL // the URL after redirects
	Header      http.Header
	ETag        string
	NotModified bool
	Partial     bool // status 226: only what follows the document that the request named
	Waits       bool // the server supports long polls, RFC 7240 section 4.3
	Body        []byte
}

// Age returns the age of the answer that the server or a cache states (RFC 9111 section 5.1). 0
// means new or unknown.
func (r *Response) Age() time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(r.Header.Get("Age")), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Get fetches a URL, and retries transient errors for Patience. Conditions are further header
// fields, as pairs of name and value.
func (c *Client) Get(ctx context.Context, target *url.URL, conditions ...string) (*Response, error) {
	tries := retry.Begin(50*time.Millisecond, 5*time.Second)
	for {
		began := time.Now()
		answer, err := c.tryFor(ctx, RequestTimeout, target, conditions)
		if err == nil {
			if c.away.answered(began) {
				c.Logger.Info("server answers again", "url", target.Redacted())
			}
			return answer, nil
		}
		if again, waitErr := waited(ctx, err); again {
			if waitErr != nil {
				return nil, waitErr
			}
			tries.Again()
			continue
		}
		err = &Error{shortened(target.Redacted()), err}
		if ctx.Err() != nil || !c.mayPass(err) {
			return nil, err
		}
		wait := max(tries.Next(), serverDelay(err))
		if c.Patience >= 0 {
			left := c.Patience - tries.Lasted()
			if left <= 0 {
				return nil, fmt.Errorf("%w: %w", ErrGaveUp, err)
			}
			wait = min(wait, left)
		}
		level := slog.LevelDebug // one warning an outage, however many pages are being fetched
		if c.away.failed(began) {
			level = slog.LevelWarn
		}
		c.Logger.Log(ctx, level, "cannot fetch, retrying", "error", err, "wait", wait.Round(time.Millisecond))
		if err := retry.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// shortened shortens a URL that is too long for messages.
func shortened(shown string) string {
	if len(shown) > MaxURL {
		return shown[:100] + "…"
	}
	return shown
}

func (c *Client) tryFor(ctx context.Context, limit time.Duration, target *url.URL, conditions []string) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.Try(ctx, target, conditions...)
}

// Try fetches a URL once, and once more if the server refuses the credentials and new ones are
// available.
func (c *Client) Try(ctx context.Context, target *url.URL, conditions ...string) (*Response, error) {
	c.first.CompareAndSwap(nil, target)
	if err := c.CheckOrigin(target); err != nil {
		return nil, err
	}
	if n := len(target.String()); n > MaxURL {
		return nil, fmt.Errorf("%w: the URL has %d bytes, the limit is %d", ErrBody, n, MaxURL)
	}
	shown, err := c.show()
	if err != nil {
		return nil, err
	}
	answer, err := c.ask(ctx, target, shown, conditions)
	if !errors.Is(err, ErrUnauthorized) {
		return answer, err
	}
	fresh, showErr := c.show()
	if showErr != nil || maps.EqualFunc(fresh, shown, slices.Equal) {
		return nil, err
	}
	return c.ask(ctx, target, fresh, conditions)
}

// ask sends a request and reads its answer.
func (c *Client) ask(ctx context.Context, target *url.URL, shown http.Header, conditions []string) (*Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", feed.ContentType+", */*;q=0.1") // so that an error can name any other type
	request.Header.Set("Accept-Encoding", "zstd, gzip;q=0.5")
	request.Header.Set("User-Agent", "eventfeed")
	for i := 0; i+1 < len(conditions); i += 2 {
		request.Header.Set(conditions[i], conditions[i+1])
	}
	c.authorize(request, shown)
	client := *c.HTTP
	client.CheckRedirect = c.redirect(shown)
	answer, err := client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := c.readAll(ctx, cancel, answer)
	if err != nil {
		return nil, err
	}
	result, err := c.response(ctx, request, answer, body)
	if status, is := errors.AsType[*statusError](err); is {
		status.shown = len(shown) > 0 && c.isOwn(answer.Request.URL)
	}
	return result, err
}

// response converts an answer into a Response.
func (c *Client) response(ctx context.Context, request *http.Request, answer *http.Response, body []byte) (*Response, error) {
	result := &Response{URL: answer.Request.URL, Header: answer.Header, ETag: answer.Header.Get("ETag"), Waits: applied(answer.Header, "wait")}
	switch {
	case answer.StatusCode == http.StatusNotModified && isConditional(request):
		result.NotModified = true
		return result, nil
	case answer.StatusCode == http.StatusIMUsed && request.Header.Get("A-IM") != "" && isDelta(answer.Header):
		result.Partial = true
	case answer.StatusCode != http.StatusOK:
		return nil, newStatusError(answer, body)
	}
	var err error
	result.Body, err = c.decode(ctx, answer.Header.Get("Content-Encoding"), body)
	if err != nil {
		return nil, err
	}
	if isUnbounded(answer) && isCutOff(ctx, result.Body) {
		return nil, &brokenError{errCutOff}
	}
	return result, nil
}

// isConditional reports whether a request may be answered with 304.
func isConditional(request *http.Request) bool {
	return request.Header.Get("If-None-Match") != "" || request.Header.Get("If-Modified-Since") != ""
}
