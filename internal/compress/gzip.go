package compress

import (
	"bytes"

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
