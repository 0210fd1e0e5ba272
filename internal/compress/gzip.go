package compress

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// writers are costly to make.
var writers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// Gzip compresses a body in the gzip format, RFC 1952, always to the same
// bytes.
func Gzip(body []byte) []byte {
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	var compressed bytes.Buffer
	w.Reset(&compressed)
	_, err := w.Write(body)
	if closeErr := w.Close(); err != nil || closeErr != nil {
		panic("gzip: a buffer in memory takes everything")
	}
	return compressed.Bytes()
}
