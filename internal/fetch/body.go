package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
)

// ErrBody is returned, wrapped, for an answer that came whole and cannot be
// what was asked for.
var ErrBody = errors.New("unusable answer")

// errStalled is the cause of the end of a request whose answer did not go on.
var errStalled = errors.New("no byte came")

// watched ends a request whose answer brings nothing for a while.
type watched struct {
	io.Reader
	timer *time.Timer
	limit time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.timer.Reset(w.limit)
	}
	return n, err
}

// readAll reads the body of an answer as it was sent. The context is that of
// the request, which cancel ends.
func (c *Client) readAll(ctx context.Context, cancel context.CancelCauseFunc, answer *http.Response) ([]byte, error) {
	if answer.ContentLength > compress.MaxBody {
		return nil, fmt.Errorf("%w: %w", ErrBody, compress.ErrTooLarge)
	}
	limit := c.Stall
	if limit <= 0 {
		limit = DefaultStall
	}
	timer := time.AfterFunc(limit, func() { cancel(errStalled) })
	defer timer.Stop()
	body, err := io.ReadAll(io.LimitReader(&watched{answer.Body, timer, limit}, compress.MaxBody+1))
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errStalled):
		return nil, &brokenError{fmt.Errorf("%w for %s", errStalled, limit)}
	case err != nil:
		return nil, &brokenError{err}
	case len(body) > compress.MaxBody:
		return nil, fmt.Errorf("%w: %w", ErrBody, compress.ErrTooLarge)
	}
	return body, nil
}

// brokenError says that an answer did not come whole. The next one may.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

func (e *brokenError) Error() string { return "the answer broke off: " + e.error.Error() }

// decode undoes the content coding of a body.
func decode(coding string, body []byte) (decoded []byte, err error) {
	switch coding {
	case "", "identity":
		return body, nil
	case "zstd":
		decoded, err = compress.Unzstd(body)
	case "gzip", "x-gzip": // RFC 9110 section 8.4.1.3
		decoded, err = compress.Gunzip(body)
	default:
		return nil, fmt.Errorf("answer has the Content-Encoding %.40q, which was not asked for", coding)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &brokenError{err}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	return decoded, nil
}
