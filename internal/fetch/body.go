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

// ErrBody is returned, wrapped, for a complete answer that cannot be the requested document.
var ErrBody = errors.New("unusable answer")

// DefaultMaxDocument is the default of Client.MaxDocument, in bytes.
const DefaultMaxDocument = 48 << 20

// TooLargeError reports that a document exceeds the limit for its kind.
type TooLargeError struct {
	Limit int64 // in bytes, decompressed
	Own   bool  // the document claims to be eventfeed's own, whose pages cannot be so large
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the document is larger than %d MiB", e.Limit>>20)
}

// maxErrorBody is how much of the body of an error answer is read, in bytes.
const maxErrorBody = 64 << 10

// errStalled is the cause with which a request is canceled whose answer has stalled.
var errStalled = errors.New("no data arrived")

// watched is a reader that resets a timer with each byte read. The timer cancels a stalled request.
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

// readAll reads the body of an answer, without decoding it. cancel cancels the request, whose
// context is ctx.
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

// readSome reads the first maxErrorBody bytes of an error's body.
func readSome(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxErrorBody))
	if err != nil {
		return nil, &brokenError{err}
	}
	return body, nil
}

// brokenError is a transient error: an answer was cut off.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

func (e *brokenError) Error() string { return "the response was cut off: " + e.error.Error() }

// decode removes the content coding of a body.
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

// unzstd decompresses a body at once if it states its decompressed size, and otherwise in pieces.
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
	if errors.Is(err, compress.ErrTooLarge) { // the body has several frames
		return c.uncompress(ctx, "zstd", body)
	}
	if err != nil {
		return nil, err
	}
	return decoded, hold(ctx, int64(len(decoded)))
}

// uncompress decompresses a body in pieces.
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

// decoder returns a reader that decompresses a body.
func decoder(coding string, body []byte) (from io.ReadCloser, err error) {
	if coding == "zstd" {
		if len(body) == 0 {
			return nil, fmt.Errorf("decompress: %w", io.ErrUnexpectedEOF)
		}
		return compress.ZstdReader(bytes.NewReader(body))
	}
	from, err = gzip.NewReader(bytes.NewReader(body))
	if errors.Is(err, io.EOF) { // the body is empty
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return from, nil
}

// sniffed is how much of a document is checked to find out whether it is eventfeed's own, in bytes.
const sniffed = 64 << 10

// decodedStart returns the beginning of a document, decoded from its first bytes as sent.
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

// MaxBytes returns the maximum size of a foreign document, in bytes.
func (c *Client) MaxBytes() int64 {
	if c.MaxDocument <= 0 {
		return DefaultMaxDocument
	}
	return c.MaxDocument
}

// checkSize returns an error if a document's size exceeds the limit of its kind: that of the format for
// eventfeed's own pages, [Client.MaxDocument] for all others. start returns the document's beginning.
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
