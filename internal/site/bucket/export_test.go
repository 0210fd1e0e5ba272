package bucket

import (
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7"
)

// Header returns the header with which the store sends an object.
func (b *Bucket) Header(t *testing.T, key string) http.Header {
	t.Helper()
	content, _, header, err := b.core.GetObject(t.Context(), b.bucket, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_ = content.Close()
	return header
}
