package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// ReadFeed calls read with a snapshot of the log, and the feed in it. It returns ErrNoFeed or
// ErrMoved, wrapped, or the error of read.
func (l *Log) ReadFeed(ctx context.Context, name string, read func(log Snapshot, f *Feed) error) error {
	return l.Read(ctx, func(log Snapshot) error {
		f, err := log.Feed(ctx, name)
		if err != nil {
			return err
		}
		if f.Moved {
			return fmt.Errorf("feed %s: %w", name, ErrMoved)
		}
		return read(log, &f)
	})
}

// Subscription returns a feed and its subscription document, from one snapshot. The document has
// all events that are not archived yet, and at least the newest ones, see [feed.MinEntries]. If
// known is an earlier document of the feed, its entries are not read again. Errors are those of
// [Log.ReadFeed].
func (l *Log) Subscription(ctx context.Context, name string, known *feed.Document) (f *Feed, d *feed.Document, err error) {
	err = l.ReadFeed(ctx, name, func(log Snapshot, now *Feed) error {
		f = now
		d, err = f.subscription(ctx, log, known)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("subscription document of feed %s: %w", name, err)
	}
	return f, d, nil
}

func (f *Feed) subscription(ctx context.Context, log Snapshot, known *feed.Document) (*feed.Document, error) {
	d := f.document(feed.Subscription)
	d.Archives, d.Template, d.Held = f.Archives, feed.ArchiveTemplate(f.Name), f.Held
	d.Page = f.Archives + 1
	d.Epoch = f.archive(d.Page).Epoch
	d.First, d.Last = f.ArchivedTo+1, f.Published
	goesOn, err := f.goOn(ctx, log, d, known)
	if err == nil && !goesOn {
		known = nil
		err = fill(ctx, log, f.Key, d)
	}
	if err == nil {
		err = f.fit(ctx, log, d)
	}
	if err == nil {
		err = f.addTypes(ctx, log, d, known)
	}
	return d, err
}

// goOn fills a document with the entries of an earlier one and the entries after them. It reports
// whether it could: it cannot if the history has changed.
func (f *Feed) goOn(ctx context.Context, log Snapshot, d, known *feed.Document) (bool, error) {
	if known == nil || known.ID != d.ID || known.First > d.First || known.Last > d.Last || known.Last < known.First {
		return false, nil
	}
	more := f.document(feed.Subscription)
	more.First, more.Last = known.Last+1, d.Last
	if err := fill(ctx, log, f.Key, more); err != nil || more.DigestBefore != known.DigestAfter {
		return false, err
	}
	d.First, d.DigestBefore, d.DigestAfter = known.First, known.DigestBefore, more.DigestAfter
	d.Entries = slices.Concat(known.Entries, more.Entries)
	d.Digests = slices.Concat(known.Digests, more.Digests)
	d.Updated = d.Entries[len(d.Entries)-1].Recorded
	return true, nil
}

// readBy is how many entries fit reads at a time: few, because each may have 8 MiB.
const readBy = 10

// fit moves the beginning of a document to the first entry that is not archived, or so far before
// it that the document has [feed.MinEntries], as long as the entries before it fit on a page. The
// beginning depends on the history alone, so all servers write the same document.
func (f *Feed) fit(ctx context.Context, log Snapshot, d *feed.Document) error {
	first, room := f.ArchivedTo+1, f.PageBytes
	for first > 1 && d.Last-first+1 < feed.MinEntries {
		if first == d.First {
			if err := f.extend(ctx, log, d, feed.MinEntries-(d.Last-first+1)); err != nil {
				return err
			}
		}
		room -= cloudevents.Size(&d.Entries[first-1-d.First].Event)
		if room < 0 {
			break
		}
		first--
	}
	before, err := d.DigestAt(first - 1)
	if err != nil {
		return err
	}
	d.Entries, d.Digests = d.Entries[first-d.First:], d.Digests[first-d.First:]
	d.First, d.DigestBefore = first, before
	return nil
}

// extend prepends archived entries.
func (f *Feed) extend(ctx context.Context, log Snapshot, d *feed.Document, want int64) error {
	more := f.document(feed.Subscription)
	more.First, more.Last = max(1, d.First-min(readBy, want)), d.First-1
	if err := fill(ctx, log, f.Key, more); err != nil {
		return err
	}
	if len(d.Entries) == 0 {
		d.Updated = more.Updated
	}
	d.First, d.DigestBefore = more.First, more.DigestBefore
	d.Entries, d.Digests = append(more.Entries, d.Entries...), append(more.Digests, d.Digests...)
	return nil
}

// archive returns the epoch and number that identify an archive in its URL.
func (f *Feed) archive(number int64) feed.Page {
	return feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number}
}

// archiveDocument returns a closed page as the newest archive.
func (l *Log) archiveDocument(ctx context.Context, f *Feed, p Page) (*feed.Document, error) {
	d := f.document(feed.Archive)
	d.Page, d.Epoch, d.First, d.Last = p.Number, f.archive(p.Number).Epoch, p.First, p.Last
	if err := fill(ctx, l, f.Key, d); err != nil {
		return nil, fmt.Errorf("archive %d: %w", p.Number, err)
	}
	return d, nil
}

func (f *Feed) document(kind feed.Kind) *feed.Document {
	return &feed.Document{
		Kind: kind, ID: f.ID, Name: f.Name, Title: f.Title, Author: f.Author, Updated: f.Created, Epochs: f.Epochs, Entities: f.Entities,
	}
}

// fill reads the entries from d.First to d.Last and the digests around them.
func fill(ctx context.Context, log Snapshot, key int64, d *feed.Document) error {
	d.DigestBefore = feed.FirstDigest(d.ID)
	d.DigestAfter = d.DigestBefore
	d.Entries = make([]event.Placed, 0, d.Last-d.First+1)
	d.Digests = make([]feed.Digest, 0, d.Last-d.First+1)
	err := log.Rows(ctx, key, d.First-1, d.Last, func(r *Row) error {
		d.DigestAfter = r.Digest
		if r.Position < d.First {
			d.DigestBefore = r.Digest
			return nil
		}
		d.Updated = r.Recorded
		d.Entries, d.Digests = append(d.Entries, r.Placed), append(d.Digests, r.Digest)
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

// HasPage returns nil if the feed has an archive, ErrNoPage if there is no such page (yet), and
// ErrPageGone if its epoch ended before it. Errors are wrapped.
func (f *Feed) HasPage(page feed.Page) error {
	for i, e := range f.Epochs {
		if e.ID == page.Epoch && i+1 < len(f.Epochs) && page.Number >= f.Epochs[i+1].FirstPage {
			return fmt.Errorf("%w: page %d of epoch %s; the history continues under epoch %s from position %d",
				ErrPageGone, page.Number, page.Epoch, f.Epoch(), f.Epochs[len(f.Epochs)-1].FirstPosition)
		}
	}
	if page.Number < 1 || page.Number > f.Archives || f.archive(page.Number) != page {
		return fmt.Errorf("%w: page %d of epoch %.40s; feed %s has %d archives, the newest of epoch %s",
			ErrNoPage, page.Number, page.Epoch, f.Name, f.Archives, f.archive(max(1, f.Archives)).Epoch)
	}
	return nil
}

// Archive returns a feed and a stored archive, from one snapshot. Errors are those of
// [Log.ReadFeed] and, together with the feed, those of [Feed.HasPage].
func (l *Log) Archive(ctx context.Context, name string, page feed.Page) (f *Feed, d Document, err error) {
	err = l.ReadFeed(ctx, name, func(log Snapshot, now *Feed) error {
		f = now
		if err := f.HasPage(page); err != nil {
			return err
		}
		d, err = log.Document(ctx, f.Key, page)
		return err
	})
	return f, d, err
}
