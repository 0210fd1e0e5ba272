package fetch

import (
	"context"
	"errors"
	"io"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Sizes of the pieces that a body of unknown length is read in, in bytes.
const (
	firstPiece = 64 << 10
	maxPiece   = 4 << 20
)

// collect reads all there is, if that is not too large, see [Client.checkSize], for
// which startOf makes the document's start of the first bytes. It asks for room before
// it takes memory; other bytes of the same document are held meanwhile. want is the
// length that was announced, or 0; it is not relied on.
func (c *Client) collect(ctx context.Context, from io.Reader, want, other int64, startOf func(first []byte) []byte) ([]byte, error) {
	if limit := max(c.MaxBytes(), feed.MaxDocument); want > limit {
		return nil, &TooLargeError{Limit: c.MaxBytes()} // nothing is as large
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

// collectKnown reads a body whose length was announced, and that begins with first.
func (c *Client) collectKnown(ctx context.Context, from io.Reader, want, other int64, first []byte) ([]byte, error) {
	if err := hold(ctx, other+want); err != nil {
		return nil, err
	}
	body := make([]byte, want)
	if _, err := readFull(ctx, from, body[copy(body, first):]); err != nil {
		return nil, err // io.EOF comes only after the announced length
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

// join makes one slice of pieces.
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

// readFull fills p, as far as there is something: then it returns io.EOF.
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
