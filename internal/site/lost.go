package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// keep copies what only the site has, and then removes it from the archives. It returns the first
// archive to write. If it is interrupted, it begins again: the subscription document, which tells that
// something was lost, is replaced last.
func (e *Exporter) keep(ctx context.Context, l *lost, head *store.Head) (from int64, err error) {
	if err := e.copyLost(ctx, keyOf(feed.SitePath(e.Feed)), l.site, e.site.body); err != nil {
		return 0, err
	}
	var removed []string
	for from = l.site.Archives; from > 0; from-- {
		key := archiveKey(e.Feed, pageOf(l.site.Epochs, from))
		stored, err := e.Store.Get(ctx, key)
		if errors.Is(err, ErrAbsent) {
			continue // it was removed already
		}
		if err != nil {
			return 0, err
		}
		d, err := feed.DecodeContext(ctx, stored.Body)
		if err != nil {
			return 0, foreign("%s of the site is not a document of this feed: %w", key, err)
		}
		if d.Last <= l.last {
			break
		}
		if err := e.copyLost(ctx, key, d, stored.Body); err != nil {
			return 0, err
		}
		removed = append(removed, key)
	}
	for _, key := range removed {
		if err := e.Store.Delete(ctx, key); err != nil {
			return 0, err
		}
	}
	e.Logger.Warn("the log has lost events that the site has; they are kept", "feed", e.Feed, "events", l.site.Last-l.last, "after", l.last,
		"archives", len(removed), "below", lostKey(e.Feed, feed.Page{Epoch: feed.EpochOfPosition(l.site.Epochs, l.site.Last)}, ""))
	return min(max(1, from), head.Feed.Archives+1), nil
}

// lostKey returns the key of a copy.
func lostKey(name string, page feed.Page, suffix string) string {
	key := keyOf(feed.SubscriptionPath(name)) + "/lost/" + page.Epoch + "/"
	if page.Number == 0 {
		return key
	}
	return fmt.Sprint(key, page.Number, suffix)
}

// maxCopies is how many documents with one number of one epoch may be kept.
const maxCopies = 100

// copyLost copies a document of a history that the log has lost, unless there is such a copy. The
// subscription document is that of the page which is not archived yet.
func (e *Exporter) copyLost(ctx context.Context, key string, d *feed.Document, body []byte) error {
	page := feed.Page{Epoch: d.Epoch, Number: d.Page}
	suffix := ""
	for n := 2; n < maxCopies; n++ {
		o := Object{Key: lostKey(e.Feed, page, suffix), Kind: Kept, Body: body}
		refused, err := e.Store.Put(ctx, []Object{o})
		if err != nil || len(refused) == 0 {
			return err
		}
		stored, err := e.Store.Get(ctx, o.Key)
		if err != nil || bytes.Equal(stored.Body, body) {
			return err
		}
		suffix = fmt.Sprint("-", n)
	}
	return foreign("%s: there are %d copies with its number below %s", key, maxCopies, lostKey(e.Feed, feed.Page{Epoch: d.Epoch}, ""))
}
