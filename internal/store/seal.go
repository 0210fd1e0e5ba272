package store

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// The limits of one step of the sealer: the number of pages, the size of their documents before
// compression, and the number of types, each of which is a row to write.
const (
	sealPages = 64
	sealBytes = 8 << 20
	sealTypes = 5000
)

// Seal seals the feed's next closed pages, as many as fit into one step, and returns how many. In
// the same transaction the previously newest archive becomes final. Seal encodes pages before it
// locks the feed's row, because a closed page never changes.
func (l *Log) Seal(ctx context.Context, name string) (int, error) {
	f, err := l.Feed(ctx, name)
	if err != nil {
		return 0, err
	}
	pages, err := l.Pages(ctx, f.Key, f.Archives+1, f.Archives+sealPages)
	if err != nil || len(pages) == 0 {
		return 0, err
	}
	documents, types, err := l.encodePages(ctx, &f, pages)
	if err != nil {
		return 0, fmt.Errorf("seal feed %s: %w", name, err)
	}
	finalized, err := l.finalizeNewest(ctx, &f, documents[0].Page)
	if err != nil {
		return 0, fmt.Errorf("seal feed %s: %w", name, err)
	}
	sealed := 0
	err = l.Write(ctx, sealWait, func(tx Tx) error {
		locked, identity, err := tx.Lock(ctx, name)
		if err != nil {
			return err
		}
		// The encoded pages are outdated if another server has sealed pages since, or if
		// an epoch has begun or is about to begin.
		if locked.Archives != f.Archives || locked.Epoch() != f.Epoch() || locked.Identity != identity {
			return nil
		}
		for _, d := range append(finalized, documents...) {
			if err := tx.PutDocument(ctx, f.Key, d); err != nil {
				return err
			}
		}
		for _, d := range finalized {
			if err := tx.DropNewest(ctx, f.Key, d.Page); err != nil {
				return err
			}
		}
		if err := tx.AddTypes(ctx, f.Key, types.Sorted()); err != nil {
			return err
		}
		sealed = len(documents)
		locked.Archives += int64(sealed)
		locked.modify()
		return tx.Save(ctx, &locked)
	})
	if err != nil {
		return 0, fmt.Errorf("seal feed %s: %w", name, l.busy(ctx, name, err))
	}
	return sealed, nil
}

// encodePages encodes consecutive pages until they fill a step, and counts their types. All but the
// last page link to the next page, and are final at once.
func (l *Log) encodePages(ctx context.Context, f *Feed, pages []Page) ([]Document, feed.TypeCounts, error) {
	var documents []Document
	types, total, full := make(feed.TypeCounts), 0, false
	for i := 0; i < len(pages) && !full; i++ {
		d, err := l.archiveDocument(ctx, f, pages[i])
		if err != nil {
			return nil, nil, err
		}
		for n := range d.Entries {
			types.Add(d.Entries[n].Position, &d.Entries[n].Event)
		}
		body := feed.AppendDocument(nil, d)
		total += len(body)
		full = total >= sealBytes || len(types) >= sealTypes
		stored := Document{Page: feed.Page{Epoch: d.Epoch, Number: d.Page}, Stage: Newest}
		if i+1 < len(pages) && !full {
			if body, err = feed.Finalize(body, stored.Page, f.archive(pages[i+1].Number)); err != nil {
				return nil, nil, err
			}
			stored.Stage = Final
		}
		stored.Body = compress.Zstd(body)
		documents = append(documents, stored)
	}
	return documents, types, nil
}

// finalizeNewest returns the final form of the newest archive; nothing if there is no archive.
func (l *Log) finalizeNewest(ctx context.Context, f *Feed, next feed.Page) ([]Document, error) {
	if f.Archives == 0 {
		return nil, nil
	}
	page := f.archive(f.Archives)
	stored, err := l.Document(ctx, f.Key, page)
	if err != nil {
		return nil, err
	}
	if stored.Stage == Final {
		return nil, nil // another server has sealed more pages, which Seal notices after the lock
	}
	body, err := compress.Unzstd(stored.Body)
	if err == nil {
		body, err = feed.Finalize(body, page, next)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %d: %w", page.Number, err)
	}
	return []Document{{Page: page, Stage: Final, Body: compress.Zstd(body)}}, nil
}
