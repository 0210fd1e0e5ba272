package store

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Subscription returns the feed's subscription document: all that is not
// archived yet, and at least the newest entries, see [feed.MinEntries].
func (l *Log) Subscription(ctx context.Context, f *Feed) (*feed.Document, error) {
	d := f.document(feed.Subscription)
	d.Archives, d.Template = f.Archives, feed.ArchiveTemplate(f.Name)
	d.Page = f.Archives + 1
	d.Epoch = feed.EpochOfPage(f.Epochs, d.Page)
	d.First = max(1, min(f.ArchivedTo+1, f.Published-feed.MinEntries+1))
	d.Last = f.Published
	if err := l.fill(ctx, f.Key, d); err != nil {
		return nil, fmt.Errorf("subscription document of feed %s: %w", f.Name, err)
	}
	return d, nil
}

// archiveDocument returns a closed page as the newest archive.
func (l *Log) archiveDocument(ctx context.Context, f *Feed, p Page) (*feed.Document, error) {
	d := f.document(feed.Archive)
	d.Page, d.Epoch, d.First, d.Last = p.Number, p.Epoch, p.First, p.Last
	if err := l.fill(ctx, f.Key, d); err != nil {
		return nil, fmt.Errorf("archive %d: %w", p.Number, err)
	}
	return d, nil
}

func (f *Feed) document(kind feed.Kind) *feed.Document {
	return &feed.Document{
		Kind: kind, ID: f.ID, Name: f.Name, Title: f.Title, Author: f.Author, Updated: f.Created, Epochs: f.Epochs,
	}
}

// fill reads the entries from d.First to d.Last and the digests around them.
func (l *Log) fill(ctx context.Context, key int64, d *feed.Document) error {
	d.DigestBefore = feed.FirstDigest(d.ID)
	d.DigestAfter = d.DigestBefore
	d.Entries = make([]event.Placed, 0, d.Last-d.First+1)
	err := l.Rows(ctx, key, d.First-1, d.Last, func(r *Row) error {
		d.DigestAfter = r.Digest
		if r.Position < d.First {
			d.DigestBefore = r.Digest
			return nil
		}
		d.Updated = r.Recorded
		d.Entries = append(d.Entries, r.Placed)
		return nil
	})
	if err != nil {
		return err
	}
	if int64(len(d.Entries)) != d.Last-d.First+1 {
		return fmt.Errorf("%w: %d events at positions %d to %d", ErrDoesNotAddUp, len(d.Entries), d.First, d.Last)
	}
	return nil
}

// Archive returns a stored archive: ErrNoPage if there is no such page (yet),
// ErrPageGone if its epoch ended before it.
func (l *Log) Archive(ctx context.Context, f *Feed, page feed.Page) (Document, error) {
	for i, e := range f.Epochs {
		if e.ID != page.Epoch {
			continue
		}
		if i+1 < len(f.Epochs) && page.Number >= f.Epochs[i+1].FirstPage {
			return Document{}, fmt.Errorf("%w: page %d of epoch %s", ErrPageGone, page.Number, page.Epoch)
		}
	}
	return l.Document(ctx, f.Key, page)
}
