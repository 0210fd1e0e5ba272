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
	d.Epoch = f.archive(d.Page).Epoch
	d.First, d.Last = f.ArchivedTo+1, f.Published
	err := l.fill(ctx, f.Key, d)
	if err == nil {
		err = l.extend(ctx, f, d)
	}
	if err != nil {
		return nil, fmt.Errorf("subscription document of feed %s: %w", f.Name, err)
	}
	return d, nil
}

// extendBy is how many entries extend reads at a time: few, since each may
// have 8 MiB.
const extendBy = 10

// extend puts the newest archived entries in front until there are as many as
// a subscription document should hold, as long as they fit on a page.
func (l *Log) extend(ctx context.Context, f *Feed, d *feed.Document) error {
	room := f.PageBytes
	for d.First > 1 && len(d.Entries) < feed.MinEntries {
		want := int64(min(extendBy, feed.MinEntries-len(d.Entries)))
		more := f.document(feed.Subscription)
		more.First, more.Last = max(1, d.First-want), d.First-1
		if err := l.fill(ctx, f.Key, more); err != nil {
			return err
		}
		for i := range more.Entries {
			room -= more.Entries[i].Size()
		}
		if room < 0 {
			return nil
		}
		if len(d.Entries) == 0 {
			d.Updated = more.Updated
		}
		d.First, d.DigestBefore = more.First, more.DigestBefore
		d.Entries = append(more.Entries, d.Entries...)
	}
	return nil
}

// archive is the URL's part that names an archive.
func (f *Feed) archive(number int64) feed.Page {
	return feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number}
}

// archiveDocument returns a closed page as the newest archive.
func (l *Log) archiveDocument(ctx context.Context, f *Feed, p Page) (*feed.Document, error) {
	d := f.document(feed.Archive)
	d.Page, d.Epoch, d.First, d.Last = p.Number, f.archive(p.Number).Epoch, p.First, p.Last
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
