// Package compress holds the one compressor that pages are stored and sent
// with.
package compress

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
	decoder = sync.OnceValue(func() *zstd.Decoder { return newDecoder(zstd.WithDecoderMaxMemory(MaxBody)) })
	within  = sync.OnceValue(func() *zstd.Decoder {
		return newDecoder(zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecodeAllCapLimit(true))
	})
)

func newDecoder(options ...zstd.DOption) *zstd.Decoder {
	d, err := zstd.NewReader(nil, append(options, zstd.WithDecoderConcurrency(0))...)
	if err != nil {
		panic(err) // options are constant
	}
	return d
}

// maxWindow is the largest window of the content coding zstd, RFC 9659 section 3.
const maxWindow = 8 << 20

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

// ZstdSize returns how many bytes a body decompresses to, by its own word; ok is
// false where it does not say, or consists of several frames.
func ZstdSize(compressed []byte) (size int64, ok bool) {
	var h zstd.Header
	if h.Decode(compressed) != nil || h.Skippable || !h.HasFCS || h.FrameContentSize > MaxBody {
		return 0, false
	}
	return int64(h.FrameContentSize), true
}

// UnzstdWithin is [Unzstd] for a body that decompresses to at most size bytes; else
// it returns [ErrTooLarge]. It allocates no more than that.
func UnzstdWithin(compressed []byte, size int64) ([]byte, error) {
	body, err := within().DecodeAll(compressed, slices.Grow([]byte(nil), int(size)))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return body, nil
}

// ZstdReader decompresses as it is read. It holds about twice the window that a frame
// demands, at most 16 MiB. The caller closes it.
func ZstdReader(compressed io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(compressed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return d.IOReadCloser(), nil
}
