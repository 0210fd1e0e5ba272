package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/site"
)

// probe writes a marker twice, on the condition that there is none: a store that ignores conditions would
// let two exporters overwrite each other.
func (b *Bucket) probe(ctx context.Context) (err error) {
	marker := site.Object{Key: ".eventfeed/probe-" + rand.Text(), Kind: site.Kept, Body: []byte("eventfeed looks whether this bucket keeps conditions\n")}
	if _, err := b.Put(ctx, []site.Object{marker}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Delete(context.WithoutCancel(ctx), marker.Key)) }()
	again, err := b.Put(ctx, []site.Object{marker})
	switch {
	case err != nil:
		return err
	case len(again) == 0:
		return &site.OperatorError{
			Err: fmt.Errorf("%s: the store ignores the condition of a write (If-None-Match)", b), Usage: true,
			Next: "use a store that keeps it; or, if no other process writes to this site: --single-writer",
		}
	case b.options.Public:
		return nil
	}
	return b.checkPrivate(ctx, marker.Key)
}

// checkPrivate returns an error unless a client without credentials is refused an object. An answer that
// is neither counts as one that everyone gets.
func (b *Bucket) checkPrivate(ctx context.Context, key string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.anonymous(key), nil)
	if err != nil {
		return err
	}
	response, err := b.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s: look whether everyone may read the bucket: %w", b, err)
	}
	_ = response.Body.Close()
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return nil
	case http.StatusOK:
		return &site.OperatorError{
			Err: fmt.Errorf("%s: everyone may read the bucket", b), Usage: true,
			Next: "block its public access; or, if everyone may read the feed: --public",
		}
	}
	return &site.OperatorError{
		Err: fmt.Errorf("%s: a client without credentials is neither given nor refused an object: %s", b, response.Status), Usage: true,
		Next: "name the endpoint of the bucket's region, such as endpoint=https://s3.REGION.amazonaws.com",
	}
}
