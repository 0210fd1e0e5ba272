package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Gzip compresses a body in the gzip format, RFC 1952, always to the same
// bytes.
func Gzip(body []byte) []byte {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, err := w.Write(body)
	if closeErr := w.Close(); err != nil || closeErr != nil {
		panic("gzip: a buffer in memory takes everything")
	}
	return compressed.Bytes()
}

// Gunzip decompresses a body in the gzip format. It returns [ErrTooLarge] for
// more than MaxBody bytes, and io.ErrUnexpectedEOF, wrapped, for one that was
// cut off.
func Gunzip(compressed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if errors.Is(err, io.EOF) { // nothing at all
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(reader, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	return body, nil
}
