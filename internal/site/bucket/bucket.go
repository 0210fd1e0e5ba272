// Package bucket keeps a site in a bucket of an object store that speaks S3.
package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/render"
	"github.com/eventfeed/eventfeed/internal/site"
)

// Options are how a site is kept.
type Options struct {
	// Public allows shared caches to keep the documents. A site that is not public refuses a bucket
	// which everyone may read.
	Public bool
	// Identity keeps documents without compression, for readers that cannot decompress.
	Identity bool
	// SingleWriter accepts a store that ignores conditions of writes. Nothing else may write to the
	// site then.
	SingleWriter bool
}

// Limits of a request. The caller tries again.
const (
	uploads        = 8 // at once
	requestLimit   = time.Minute
	responseLimit  = 20 * time.Second
	connectionIdle = 90 * time.Second
	metadataLimit  = 3 * time.Second // of a machine that may have no role
)

// Bucket is a site.Store.
type Bucket struct {
	address
	options Options
	core    *minio.Core
	http    *http.Client // without credentials
}

// Open returns the site at a URL, s3://BUCKET/PREFIX?endpoint=URL&region=REGION. It sends no request;
// see [Bucket.Check]. Credentials come from the environment (AWS_*), from the files of AWS's tools, or
// from the role of the pod or the machine; without any, requests are anonymous.
func Open(place string, o Options) (*Bucket, error) {
	a, err := parseURL(place)
	if err != nil {
		return nil, &site.OperatorError{Err: fmt.Errorf("--site: %w", err), Usage: true, Next: "for example: s3://history/shop?endpoint=https://s3.example.org"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression, transport.ResponseHeaderTimeout, transport.IdleConnTimeout = true, responseLimit, connectionIdle
	transport.MaxIdleConnsPerHost = uploads
	core, err := minio.NewCore(a.endpoint, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: metadataLimit}},
		}),
		Secure: a.secure, Region: a.region, Transport: transport, MaxRetries: 1,
	})
	if err != nil {
		return nil, &site.OperatorError{Err: fmt.Errorf("--site %s: %w", &a, err), Usage: true, Next: "check the endpoint"}
	}
	return &Bucket{address: a, options: o, core: core, http: &http.Client{Transport: transport, Timeout: responseLimit}}, nil
}

// Get returns an object, decoded as its Content-Encoding says.
func (b *Bucket) Get(ctx context.Context, key string) (stored site.Stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	content, info, header, err := b.core.GetObject(ctx, b.bucket, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return stored, b.explain(ctx, key, err)
	}
	defer func() { _ = content.Close() }()
	var body io.Reader = content
	if coding := header.Get("Content-Encoding"); coding == "gzip" {
		if body, err = gzip.NewReader(content); err != nil {
			return stored, fmt.Errorf("%s: %s: %w", b, key, err)
		}
	} else if coding != "" {
		return stored, &site.HistoryError{Err: fmt.Errorf("%s: %s has the content coding %q, which eventfeed does not write", b, key, coding), Next: "export to another place"}
	}
	stored.Tag = info.ETag
	stored.Body, err = io.ReadAll(io.LimitReader(body, feed.MaxDocument+1))
	if err == nil && len(stored.Body) > feed.MaxDocument {
		err = fmt.Errorf("is larger than %d bytes", feed.MaxDocument)
	}
	if err != nil {
		return site.Stored{}, fmt.Errorf("%s: %s: %w", b, key, err)
	}
	return stored, nil
}

// Put uploads objects, several at once.
func (b *Bucket) Put(ctx context.Context, objects []site.Object) (refused []int, err error) {
	refusals := make([]bool, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i := range objects {
		group.Go(func() (err error) {
			refusals[i], err = b.put(ctx, &objects[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, is := range refusals {
		if is {
			refused = append(refused, i)
		}
	}
	return refused, nil
}

// put uploads an object. A store may close the connection when it has refused an upload of which the rest
// is on its way, or when it has taken it: so after a broken connection it looks whether the condition can
// still hold.
func (b *Bucket) put(ctx context.Context, o *site.Object) (refused bool, err error) {
	refused, err = b.tryPut(ctx, o)
	if _, is := errors.AsType[*url.Error](err); is && ctx.Err() == nil {
		if there, statErr := b.compare(ctx, o); statErr == nil && there {
			return true, nil
		}
	}
	return refused, b.explain(ctx, o.Key, err)
}

func (b *Bucket) tryPut(ctx context.Context, o *site.Object) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	body := o.Body
	options := minio.PutObjectOptions{
		ContentType: mediaType(o.Kind), CacheControl: b.cacheControl(o.Kind),
		SendContentMd5: true, DisableContentSha256: true, DisableMultipart: true,
	}
	if !b.options.Identity {
		body, options.ContentEncoding = compress.Gzip(o.Body), "gzip"
	}
	switch {
	case b.options.SingleWriter:
		if refused, err = b.compare(ctx, o); refused || err != nil {
			return refused, err
		}
	case o.Replaces == "":
		options.SetMatchETagExcept("*")
	default:
		options.SetMatchETag(o.Replaces)
	}
	_, err = b.core.Client.PutObject(ctx, b.bucket, b.prefix+o.Key, bytes.NewReader(body), int64(len(body)), options)
	if isRefusal(err, o) {
		return true, nil
	}
	return false, err
}

// compare checks the condition of an object for a store that does not.
func (b *Bucket) compare(ctx context.Context, o *site.Object) (refused bool, err error) {
	info, err := b.core.StatObject(ctx, b.bucket, b.prefix+o.Key, minio.StatObjectOptions{})
	if err = b.explain(ctx, o.Key, err); errors.Is(err, site.ErrAbsent) {
		return o.Replaces != "", nil
	}
	return err == nil && info.ETag != o.Replaces, err
}

// Delete deletes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	err := b.explain(ctx, key, b.core.RemoveObject(ctx, b.bucket, b.prefix+key, minio.RemoveObjectOptions{}))
	if errors.Is(err, site.ErrAbsent) {
		return nil
	}
	return err
}

func mediaType(kind site.Kind) string {
	if kind == site.Service {
		return render.ServiceType
	}
	return feed.ContentType
}

// cacheControl returns how long caches may keep a document, RFC 9111 section 5.2: as a server has it.
func (b *Bucket) cacheControl(kind site.Kind) string {
	scope := "private"
	if b.options.Public {
		scope = "public"
	}
	switch kind {
	case site.Final:
		return scope + ", max-age=31536000, immutable"
	case site.Kept:
		return "no-store"
	case site.Newest, site.Subscription, site.Service:
	}
	return scope + ", max-age=5"
}

// isRefusal reports whether a store has refused an upload because of its condition.
func isRefusal(err error, o *site.Object) bool {
	response := minio.ToErrorResponse(err)
	if err == nil {
		return false
	}
	switch response.StatusCode {
	case http.StatusPreconditionFailed:
		return true
	case http.StatusNotFound: // of an object that was to be replaced
		return o.Replaces != "" && response.Code == "NoSuchKey"
	case http.StatusConflict: // another upload at the same moment, which may have won or not
		return slices.Contains([]string{"ConditionalRequestConflict", "OperationAborted"}, response.Code)
	}
	return false
}
