package bucket

import (
	"fmt"
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

// Publish lets everyone read the bucket.
func (b *Bucket) Publish(t *testing.T) {
	t.Helper()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"]}]}`, b.bucket)
	if err := b.core.SetBucketPolicy(t.Context(), b.bucket, policy); err != nil {
		t.Fatal(err)
	}
}
