// Package fetch gets documents over HTTP: it retries transient errors, limits what it reads,
// and stays on the origin that it was given.
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

// ErrGaveUp is returned, wrapped, for what may pass and has not, for as long as
// the client's patience lasted.
var ErrGaveUp = errors.New("gave up")

// Errors of a server that wants to know who asks; both are wrapped.
var (
	// ErrUnauthorized says that a request showed no credentials, or such that
	// the server does not know.
	ErrUnauthorized = errors.New("credentials are needed")
	// ErrForbidden says that whoever asked may not read this.
	ErrForbidden = errors.New("not allowed")
)

// ErrSpeaksTLS is returned, wrapped, where a server speaks TLS and was spoken to
// without.
var ErrSpeaksTLS = errors.New("the server uses TLS, and the URL begins with http://")

// Error is what came of fetching a URL where no document did.
type Error struct {
	URL string // without passwords
	Err error
}

func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Bounds of a request that is not held: until its answer begins, and in all.
const (
	AnswerTimeout  = 30 * time.Second
	RequestTimeout = 5 * time.Minute
	// DefaultStall is how long an answer that has begun may bring nothing.
	DefaultStall = 30 * time.Second
)

// Client fetches documents.
type Client struct {
	HTTP   *http.Client
	Logger *slog.Logger
	// Patience is how long what may pass is tried again: a server that is
	// away, an answer that breaks off. Negative means without end, and then also
	// for a name that does not resolve yet: who waits so is started with others.
	Patience time.Duration

	// Feed is the feed's URL. Requests may go to its origin, and show the user
	// and password that it has. nil means the URL of the first request.
	Feed *url.URL
	// AllowOrigins are further origins, in the form of [Origin], that redirects
	// and links may lead to. What is asked there shows no credentials.
	AllowOrigins []string
	// Credentials gives what requests to the feed's own origin show; nil means
	// nothing.
	Credentials Credentials
	// MaxDocument bounds a document that is not eventfeed's own, decompressed, in
	// bytes. 0 means DefaultMaxDocument.
	MaxDocument int64
	// Stall is how long an answer that has begun may bring nothing. 0 means
	// DefaultStall.
	Stall time.Duration

	first atomic.Pointer[url.URL] // that was asked for
	away  outage
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

// Age is how long ago the server made the answer, by its word or that of a cache
// on the way (RFC 9111 section 5.1). 0 means just now, or that nobody says.
func (r *Response) Age() time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(r.Header.Get("Age")), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Get fetches a URL, and tries again for as long as Patience lasts what may
// pass. Conditions are further header fields in pairs.
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

// shortened returns a URL as far as it can be shown.
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

// Try fetches a URL once; and once more if the server does not know the
// credentials, and there are others by now.
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
	request.Header.Set("Accept", feed.ContentType+", */*;q=0.1") // whatever else it is, the error can say so
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

// response makes of an answer what the caller asked for.
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

// isConditional reports whether "not modified" answers a request.
func isConditional(request *http.Request) bool {
	return request.Header.Get("If-None-Match") != "" || request.Header.Get("If-Modified-Since") != ""
}
