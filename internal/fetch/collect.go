package fetch

import (
	"context"
	"errors"
	"io"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// The sizes of the pieces in which a body of unknown length is read, in bytes.
const (
	firstPiece = 64 << 10
	maxPiece   = 4 << 20
)

// collect reads a body, unless it is too large; see [Client.checkSize], for which startOf returns
// the document's beginning from the first bytes. It reserves room before it allocates memory, in
// addition to other bytes that the same document holds. want is the announced length, or 0; collect
// does not rely on it.
func (c *Client) collect(ctx context.Context, from io.Reader, want, other int64, startOf func(first []byte) []byte) ([]byte, error) {
	if limit := max(c.MaxBytes(), feed.MaxDocument); want > limit {
		return nil, &TooLargeError{Limit: c.MaxBytes()} // no kind of document may be so large
	}
	first, err := nextPiece(ctx, from, firstPiece, other)
	start := func() []byte { return startOf(first) }
	if err == nil && want > int64(len(first)) {
		if err := c.checkSize(want, start); err != nil {
			return nil, err
		}
		return c.collectKnown(ctx, from, want, other, first)
	}
	pieces, total := [][]byte{first}, int64(len(first))
	for size := int64(firstPiece); err == nil; size = min(2*size, maxPiece) {
		if err := c.checkSize(total, start); err != nil {
			return nil, err
		}
		var piece []byte
		piece, err = nextPiece(ctx, from, size, other+total)
		pieces, total = append(pieces, piece), total+int64(len(piece))
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := c.checkSize(total, start); err != nil {
		return nil, err
	}
	return join(ctx, pieces, total, other)
}

// collectKnown reads a body with an announced length that begins with first.
func (c *Client) collectKnown(ctx context.Context, from io.Reader, want, other int64, first []byte) ([]byte, error) {
	if err := hold(ctx, other+want); err != nil {
		return nil, err
	}
	body := make([]byte, want)
	if _, err := readFull(ctx, from, body[copy(body, first):]); err != nil {
		return nil, err // not io.EOF, which comes only after the announced length
	}
	return body, nil
}

// nextPiece reads a piece of up to size bytes, and returns io.EOF with the last one.
func nextPiece(ctx context.Context, from io.Reader, size, held int64) ([]byte, error) {
	if err := hold(ctx, held+size); err != nil {
		return nil, err
	}
	piece := make([]byte, size)
	n, err := readFull(ctx, from, piece)
	return piece[:n], err
}

// join concatenates pieces.
func join(ctx context.Context, pieces [][]byte, total, other int64) ([]byte, error) {
	if len(pieces) == 1 {
		return pieces[0], hold(ctx, other+total)
	}
	if err := hold(ctx, other+2*total); err != nil {
		return nil, err
	}
	all := make([]byte, 0, total)
	for i, piece := range pieces {
		all = append(all, piece...)
		pieces[i] = nil
	}
	return all, hold(ctx, other+total)
}

// readFull fills p. If the body ends before, it returns io.EOF and the number of bytes read.
func readFull(ctx context.Context, from io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		var more int
		more, err = from.Read(p[n:])
		n += more
	}
	if n == len(p) {
		return n, nil
	}
	return n, err
}
