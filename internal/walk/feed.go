package walk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// Subscription is a subscription document: the end of a feed when it was fetched.
type Subscription struct {
	*feed.Document
	URL  *url.URL // the URL that returned it; links are relative to it
	ETag string
	// Partial reports that the document is a delta (RFC 3229): it lacks events of its
	// page before First.
	Partial bool
	// Age is how old the document was when it arrived. A document from a cache, or from a
	// server that cannot reach its database, has an age.
	Age time.Duration
	// Fresh reports that the request bypassed all caches, and that the document was not
	// settled before.
	Fresh bool

	uncached bool   // requests for its archives bypass all caches
	types    string // reference to the counts of the feed's types; empty if the server does not offer them
}

// Uncached returns a copy of the document. Requests for its archives bypass all caches.
func (h *Subscription) Uncached() *Subscription {
	uncached := *h
	uncached.uncached = true
	return &uncached
}

// noCache is the header field that makes a request bypass all caches.
var noCache = []string{"Cache-Control", "no-cache"}

// Subscription fetches a feed's subscription document. It returns nil without an error
// if the document still has this ETag. If fresh is set, the request bypasses all caches.
//
// An inconsistent document is an ErrMismatch if repeated requests return one for
// StaleFor: while its database is replaced, a server may mix two states in a document.
func (c *Client) Subscription(ctx context.Context, target *url.URL, etag string, fresh bool) (*Subscription, error) {
	since := time.Now()
	h, err := c.head(ctx, target, etag, fresh)
	for errors.Is(err, ErrMismatch) && time.Since(since) < StaleFor {
		if err := retry.Sleep(ctx, StaleFor/20); err != nil {
			return nil, err
		}
		h, err = c.head(ctx, target, "", true)
	}
	return h, err
}

func (c *Client) head(ctx context.Context, target *url.URL, etag string, fresh bool) (*Subscription, error) {
	var conditions []string
	if etag != "" {
		conditions = append(conditions, "If-None-Match", etag)
	}
	if fresh {
		conditions = append(conditions, noCache...)
	}
	answer, err := c.Get(ctx, target, conditions...)
	if fetch.IsMissing(err) {
		return nil, fmt.Errorf("%w: %w", ErrNotFeed, err)
	}
	if err != nil {
		return nil, err
	}
	h, err := headOf(ctx, answer)
	if h != nil {
		h.Fresh = fresh
	}
	return h, err
}

// headOf decodes a subscription document, and checks that it is consistent. It returns nil
// for an answer with status 304.
func headOf(ctx context.Context, answer *fetch.Response) (*Subscription, error) {
	if answer.NotModified {
		return nil, nil
	}
	d, err := feed.DecodeContext(ctx, answer.Body)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, feed.ErrNotOurs) {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotFeed, answer.URL.Redacted(), err)
	}
	if err != nil {
		return nil, &fetch.Error{URL: answer.URL.Redacted(), Err: err}
	}
	if d.Kind != feed.Subscription {
		return nil, fmt.Errorf("%w: %s: is archive %d of feed %s", ErrNotFeed, answer.URL.Redacted(), d.Page, d.Name)
	}
	if err := d.Check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMismatch, answer.URL.Redacted(), err)
	}
	d.Detach(len(answer.Body)) // it lives longer than the body
	return &Subscription{Document: d, URL: answer.URL, ETag: answer.ETag, Partial: answer.Partial, Age: answer.Age(),
		types: fetch.LinkTo(answer.Header, feed.TypesRelation, feed.TypesType)}, nil
}

// pageURL returns the URL of an archive.
func (c *Client) pageURL(h *Subscription, page feed.Page) (*url.URL, error) {
	expanded := feed.ExpandTemplate(h.Template, page)
	if len(expanded) > fetch.MaxURL {
		return nil, fmt.Errorf("it is longer than %d bytes", fetch.MaxURL)
	}
	target, err := h.URL.Parse(expanded)
	if err == nil {
		err = c.CheckOrigin(target)
	}
	return target, err
}

// Archive fetches one of the feed's archives, and checks that it is the requested page of
// this feed and this history, and that it is consistent. It waits for a missing page, see
// [Client.await], and fetches an inconsistent one once more, bypassing all caches.
func (c *Client) Archive(ctx context.Context, h *Subscription, number int64) (d *feed.Document, err error) {
	d, err = c.archive(ctx, h, number)
	switch {
	case errors.Is(err, ErrMissing):
		return c.await(ctx, h, number, err)
	case errors.Is(err, ErrMismatch) && !h.uncached:
		return c.Archive(ctx, h.Uncached(), number)
	}
	return d, err
}

func (c *Client) archive(ctx context.Context, h *Subscription, number int64) (d *feed.Document, err error) {
	page := feed.Page{Epoch: feed.EpochOfPage(h.Epochs, number), Number: number}
	target, err := c.pageURL(h, page)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: archive template %.200q: %w", ErrMismatch, h.URL.Redacted(), h.Template, err)
	}
	var conditions []string
	if h.uncached {
		conditions = noCache
	}
	started := time.Now()
	answer, err := c.Get(ctx, target, conditions...)
	c.Meter.Fetch.Add(int64(time.Since(started)))
	if err != nil {
		if fetch.IsMissing(err) {
			return nil, fmt.Errorf("%w: archive %d of %d: %w", ErrMissing, number, h.Archives, err)
		}
		if errors.Is(err, fetch.ErrBody) {
			return nil, fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		return nil, err
	}
	started = time.Now()
	d, err = feed.DecodeContext(ctx, answer.Body)
	if err == nil {
		err = fetch.Hold(ctx, d.Detach(len(answer.Body)))
	}
	if err == nil {
		err = checkArchive(d, h, page)
	}
	c.Meter.Decode.Add(int64(time.Since(started)))
	c.Meter.Pages.Add(1)
	c.Meter.Bytes.Add(int64(len(answer.Body)))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMismatch, answer.URL.Redacted(), err)
	}
	return d, nil
}

func checkArchive(d *feed.Document, h *Subscription, page feed.Page) error {
	switch {
	case d.Kind != feed.Archive:
		return errors.New("is not an archive document")
	case d.ID != h.ID:
		return fmt.Errorf("belongs to feed %s, not %s", d.ID, h.ID)
	case d.Page != page.Number || d.Epoch != page.Epoch:
		return fmt.Errorf("is page %d of epoch %s, not %d of %s", d.Page, d.Epoch, page.Number, page.Epoch)
	case len(d.Epochs) > len(h.Epochs):
		return errors.New("names epochs that the feed does not have")
	}
	for i, e := range d.Epochs {
		if e != h.Epochs[i] {
			return fmt.Errorf("names the epoch %s, where the feed has %s", e.ID, h.Epochs[i].ID)
		}
	}
	return d.Check()
}
