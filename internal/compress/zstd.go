// Package compress holds the one compressor that pages are stored and sent
// with.
package compress

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrTooLarge is returned for a body that decompresses to more than was
// allowed.
var ErrTooLarge = fmt.Errorf("body is larger than %d MiB", MaxBody>>20)

// The encoder and the decoders are safe for concurrent use, and costly to make.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil)
		if err != nil {
			panic(err) // options are constant
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxBody))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// MaxBody bounds what a document may decompress to, in bytes. It leaves room
// for the largest page there can be, all of it written as Base64.
const MaxBody = 256 << 20

// Zstd compresses a body into one zstd frame.
func Zstd(body []byte) []byte { return encoder().EncodeAll(body, nil) }

// Unzstd decompresses what [Zstd] made. It returns [ErrTooLarge] for more than
// MaxBody bytes, and io.ErrUnexpectedEOF, wrapped, for what was cut off.
func Unzstd(compressed []byte) ([]byte, error) {
	if len(compressed) == 0 {
		return nil, fmt.Errorf("decompress: %w", io.ErrUnexpectedEOF)
	}
	body, err := decoder().DecodeAll(compressed, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return body, nil
}

// ZstdSize returns how many bytes a body in the zstd format decompresses to, as its
// header says, at most MaxBody; 0 if it says nothing, or is none.
func ZstdSize(compressed []byte) int {
	var header zstd.Header
	if err := header.Decode(compressed); err != nil || !header.HasFCS {
		return 0
	}
	return int(min(header.FrameContentSize, MaxBody)) //nolint:gosec // it is no more than MaxBody
}
