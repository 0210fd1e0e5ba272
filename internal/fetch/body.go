package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// ErrBody is returned, wrapped, for an answer that came whole and cannot be
// what was asked for.
var ErrBody = errors.New("unusable answer")

// DefaultMaxDocument bounds a document of a feed that is not eventfeed's own, in
// bytes, where nobody says how large it may be.
const DefaultMaxDocument = 48 << 20

// TooLargeError says that a document is larger than documents of its kind may be.
type TooLargeError struct {
	Limit int64 // in bytes, decompressed
	Own   bool  // the document says that it is eventfeed's own: no page can be as large
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the document is larger than %d MiB", e.Limit>>20)
}

// maxErrorBody bounds what is read of an answer that is an error, in bytes.
const maxErrorBody = 64 << 10

// errStalled is the cause of the end of a request whose answer did not go on.
var errStalled = errors.New("no data arrived")

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
	limit := c.Stall
	if limit <= 0 {
		limit = DefaultStall
	}
	timer := time.AfterFunc(limit, func() { cancel(errStalled) })
	defer timer.Stop()
	from := io.Reader(&watched{answer.Body, timer, limit})
	if answer.StatusCode >= http.StatusMultipleChoices {
		return readSome(from)
	}
	coding := answer.Header.Get("Content-Encoding")
	body, err := c.collect(ctx, from, max(0, answer.ContentLength), 0, func(start []byte) []byte { return decodedStart(coding, start) })
	_, tooLarge := errors.AsType[*TooLargeError](err)
	_, full := errors.AsType[*fullError](err)
	switch {
	case full:
		return nil, err
	case tooLarge:
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	case err != nil && errors.Is(context.Cause(ctx), errStalled):
		return nil, &brokenError{fmt.Errorf("%w for %s", errStalled, limit)}
	case err != nil:
		return nil, &brokenError{err}
	}
	return body, nil
}

// readSome reads what is looked at of an error's body.
func readSome(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxErrorBody))
	if err != nil {
		return nil, &brokenError{err}
	}
	return body, nil
}

// brokenError says that an answer did not come whole. The next one may.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

func (e *brokenError) Error() string { return "the response was cut off: " + e.error.Error() }

// decode undoes the content coding of a body.
func (c *Client) decode(ctx context.Context, coding string, body []byte) (decoded []byte, err error) {
	switch coding {
	case "", "identity":
		return body, nil
	case "zstd":
		decoded, err = c.unzstd(ctx, body)
	case "gzip", "x-gzip": // RFC 9110 section 8.4.1.3
		decoded, err = c.uncompress(ctx, coding, body)
	default:
		return nil, fmt.Errorf("answer has the Content-Encoding %.40q, which was not asked for", coding)
	}
	_, full := errors.AsType[*fullError](err)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case full:
		return nil, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &brokenError{err}
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	return decoded, nil
}

// unzstd decompresses a body that says how large it will be at once, and any other
// one piece by piece.
func (c *Client) unzstd(ctx context.Context, body []byte) ([]byte, error) {
	size, known := compress.ZstdSize(body)
	if !known {
		return c.uncompress(ctx, "zstd", body)
	}
	if err := c.checkSize(size, func() []byte { return decodedStart("zstd", body) }); err != nil {
		return nil, err
	}
	if err := hold(ctx, int64(len(body))+size); err != nil {
		return nil, err
	}
	decoded, err := compress.UnzstdWithin(body, size)
	if errors.Is(err, compress.ErrTooLarge) { // several frames
		return c.uncompress(ctx, "zstd", body)
	}
	if err != nil {
		return nil, err
	}
	return decoded, hold(ctx, int64(len(decoded)))
}

// uncompress decompresses a body piece by piece.
func (c *Client) uncompress(ctx context.Context, coding string, body []byte) ([]byte, error) {
	from, err := decoder(coding, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	decoded, err := c.collect(ctx, from, 0, int64(len(body)), func(start []byte) []byte { return start })
	if err != nil {
		return nil, err
	}
	return decoded, hold(ctx, int64(len(decoded)))
}

// decoder returns what reads a compressed body.
func decoder(coding string, body []byte) (from io.ReadCloser, err error) {
	if coding == "zstd" {
		if len(body) == 0 {
			return nil, fmt.Errorf("decompress: %w", io.ErrUnexpectedEOF)
		}
		return compress.ZstdReader(bytes.NewReader(body))
	}
	from, err = gzip.NewReader(bytes.NewReader(body))
	if errors.Is(err, io.EOF) { // nothing at all
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return from, nil
}

// sniffed is how much of a document is looked at for whether it is eventfeed's own.
const sniffed = 64 << 10

// decodedStart returns the start of a document of which the first bytes as they were
// sent are known.
func decodedStart(coding string, start []byte) []byte {
	if coding == "" || coding == "identity" {
		return start
	}
	from, err := decoder(coding, start)
	if err != nil {
		return nil
	}
	defer func() { _ = from.Close() }()
	decoded := make([]byte, sniffed)
	n, _ := io.ReadFull(from, decoded)
	return decoded[:n]
}

// MaxBytes is what bounds a document that is not eventfeed's own, in bytes.
func (c *Client) MaxBytes() int64 {
	if c.MaxDocument <= 0 {
		return DefaultMaxDocument
	}
	return c.MaxDocument
}

// checkSize holds a document's size to what its kind may have: pages of eventfeed's own
// are bounded by their format, all else by [Client.MaxDocument]. start returns the
// document's start.
func (c *Client) checkSize(size int64, start func() []byte) error {
	limit := c.MaxBytes()
	if size <= min(limit, feed.MaxDocument) {
		return nil
	}
	if feed.ClaimsOurs(start()) {
		limit = feed.MaxDocument
		if size > limit {
			return &TooLargeError{Limit: limit, Own: true}
		}
		return nil
	}
	if size > limit {
		return &TooLargeError{Limit: limit}
	}
	return nil
}
