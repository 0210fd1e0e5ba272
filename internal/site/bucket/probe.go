package bucket

import (
	"context"
	"fmt"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/site"
)

// marker is the key of an object that stays. It is below feeds/, because a policy may open only that to
// everyone.
const marker = "feeds/.eventfeed"

// Check returns an error unless the bucket can hold this site: an OperatorError if that does not pass by
// itself. It writes a marker on the condition that there is none, until the store refuses that: a store
// that ignores conditions would let two exporters overwrite each other.
func (b *Bucket) Check(ctx context.Context) error {
	object := site.Object{Key: marker, Kind: site.Kept, Body: []byte("eventfeed looks whether this bucket keeps conditions, and who may read it\n")}
	for range 2 {
		refused, err := b.Put(ctx, []site.Object{object})
		if err != nil {
			return err
		}
		if len(refused) == 0 {
			continue
		}
		if b.options.Public {
			return nil
		}
		return b.checkPrivate(ctx, marker)
	}
	return &site.OperatorError{
		Err: fmt.Errorf("%s: the store ignores the condition of a write (If-None-Match)", b), Usage: true,
		Next: "use a store that keeps it; or, if no other process writes to this site: --single-writer",
	}
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
