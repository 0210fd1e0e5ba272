package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is where the feeds are.
type Log interface {
	Head(ctx context.Context, name string, known *feed.Document, archives int64) (store.Head, error)
	Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error)
	DigestAt(ctx context.Context, f *store.Feed, position int64) (feed.Digest, error)
}

// Exporter writes one feed to a site. It is for one goroutine.
type Exporter struct {
	Log    Log
	Store  Store
	Feed   string
	Logger *slog.Logger
	// AcceptEpoch lets the first step continue a site that has events which the log has lost. It
	// copies what only the site has first.
	AcceptEpoch bool
	// Writing is called when the log is read, and after each batch of archives. May be nil.
	Writing func(*Result)

	site  *published     // the subscription document of the site; nil if it has to be read
	known *feed.Document // the last one of the log
}

// published is the subscription document of a site.
type published struct {
	document *feed.Document // nil if there is none
	body     []byte
	tag      string
}

// archives returns how many archives the site has, as far as its subscription document tells.
func (p *published) archives() int64 {
	if p.document == nil {
		return 0
	}
	return p.document.Archives
}

// position returns the last position of the site.
func (p *published) position() int64 {
	if p.document == nil {
		return 0
	}
	return p.document.Last
}

// Result is what a step has found and done.
type Result struct {
	Archives int64     // of the site
	Position int64     // the last one of the site
	Head     int64     // the last one of the log
	Bytes    int64     // of the documents that were written, not compressed
	Written  int       // number of these documents
	Newest   time.Time // when the site's last event was recorded; zero if there is none
}

// Step brings the site up to date. A site that has what the log lacks is a [HistoryError].
func (e *Exporter) Step(ctx context.Context) (r Result, err error) {
	for range maxChanged {
		if r, err = e.step(ctx); err == nil {
			e.AcceptEpoch = false
			return r, nil
		}
		e.site = nil
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return r, fmt.Errorf("export feed %s: %w", e.Feed, err)
}

// errChanged reports that another process has changed the site meanwhile.
var errChanged = errors.New("another process writes to the site")

// maxChanged is how often a step begins again for another process.
const maxChanged = 10

func (e *Exporter) step(ctx context.Context) (r Result, err error) {
	if e.site == nil { // before the log is read, which is then not behind it
		if e.site, err = e.readSite(ctx); err != nil {
			if head, logErr := e.Log.Head(ctx, e.Feed, e.known, math.MaxInt64); logErr == nil { // how far the site is behind
				r.Head, e.known = head.Feed.Published, head.Document
			}
			return r, err
		}
	}
	head, err := e.Log.Head(ctx, e.Feed, e.known, e.site.archives())
	if err != nil {
		return r, err
	}
	r.Archives, r.Position, r.Head = e.site.archives(), e.site.position(), head.Feed.Published
	e.known = head.Document
	next := *head.Document
	next.Site = true
	body := feed.AppendDocument(nil, &next)
	if !bytes.Equal(body, e.site.body) {
		from, err := e.begin(ctx, &head)
		if err != nil {
			return r, err
		}
		w := writer{Exporter: e, head: &head, result: &r}
		w.tell()
		if err := w.archives(ctx, from); err != nil {
			return r, err
		}
		if err := w.subscription(ctx, &next, body); err != nil {
			return r, err
		}
	}
	r.Archives, r.Position = next.Archives, next.Last
	if next.Last > 0 {
		r.Newest = next.Updated
	}
	return r, nil
}

// isCurrent reports whether the site has all of a feed, as far as the feed's row tells.
func (e *Exporter) isCurrent(f *store.Feed) bool {
	d := e.known
	return e.site != nil && d != nil && d.Last == f.Published && d.DigestAfter == f.Shown && d.Archives == f.Archives && d.Held == f.Held &&
		d.Title == f.Title && d.Author == f.Author && len(d.Epochs) == len(f.Epochs)
}

// readSite reads the subscription document of the site.
func (e *Exporter) readSite(ctx context.Context) (*published, error) {
	key := keyOf(feed.SitePath(e.Feed))
	stored, err := e.Store.Get(ctx, key)
	if errors.Is(err, ErrAbsent) {
		return &published{}, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := feed.DecodeContext(ctx, stored.Body)
	if err == nil && d.Kind != feed.Subscription {
		err = errors.New("it is an archive")
	}
	if err != nil {
		return nil, foreign("%s of the site is not a subscription document: %w", key, err)
	}
	return &published{d, stored.Body, stored.Tag}, nil
}

// keyOf returns the key of what a server has at a path.
func keyOf(path string) string { return strings.TrimPrefix(path, "/") }

// subscription writes the subscription document, after the archives.
func (w *writer) subscription(ctx context.Context, d *feed.Document, body []byte) error {
	o := Object{Key: keyOf(feed.SitePath(w.Feed)), Kind: Subscription, Body: body, Replaces: w.site.tag}
	refused, err := w.Store.Put(ctx, []Object{o})
	if err == nil && len(refused) > 0 {
		w.site = nil
		return errChanged
	}
	if err != nil {
		return err
	}
	w.count(&o)
	stored, err := w.Store.Get(ctx, o.Key)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(stored.Body, body):
		w.site = nil
		return errChanged
	}
	w.site = &published{d, body, stored.Tag}
	return nil
}
