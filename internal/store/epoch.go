package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// NewEpoch starts a new epoch at the feed's end, for any reason. From here on, readers can
// distinguish this history from one that continued elsewhere.
func (l *Log) NewEpoch(ctx context.Context, name, reason string) error {
	err := l.Write(ctx, commandWait, func(tx Tx) error {
		f, identity, err := tx.Lock(ctx, name)
		if err != nil {
			return err
		}
		if err := l.startEpoch(ctx, tx, &f, reason); err != nil {
			return err
		}
		f.Identity = identity
		f.modify()
		return tx.Save(ctx, &f)
	})
	if err != nil {
		return fmt.Errorf("new epoch of feed %s: %w", name, err)
	}
	return nil
}

// startEpoch starts an epoch after the feed's last position. A page's events are of one epoch, so
// it closes the open page early. The caller saves f.
//
// It also sets the sequences, because logical replication to another database does not copy their
// values.
//
// The lost history may have continued after the newest archive: it may have made that archive
// final, with a link to a page that does not exist now, and filled the pages after it. No URL may
// ever return other bytes, so the newest archive and all pages after it get URLs in the new epoch.
func (l *Log) startEpoch(ctx context.Context, tx Tx, f *Feed, reason string) error {
	set, err := tx.SetSequences(ctx)
	if err != nil {
		return err
	}
	if len(set) > 0 {
		l.Logger.Warn("sequences were behind the rows and have been set", "feed", f.Name, "sequences", set)
	}
	if f.Position >= f.Open.First {
		if err := tx.AddPages(ctx, f.Key, []Page{f.closePage()}); err != nil {
			return err
		}
	}
	epoch := feed.Epoch{
		ID:            uuid.NewString(),
		FirstPosition: f.Position + 1,
		FirstPage:     max(1, f.Archives),
		DigestBefore:  f.Digest,
	}
	old := feed.EpochOfPage(f.Epochs, f.Archives)
	f.Epochs = append(f.Epochs, epoch)
	f.modify() // now or later
	f.Modified = f.Modified.Add(clockSkew)
	if err := tx.AddEpoch(ctx, f.Key, epoch, reason); err != nil || f.Archives == 0 {
		return err
	}
	return l.moveNewest(ctx, tx, f, old)
}

// moveNewest publishes the newest archive under the new epoch, instead of the old one.
func (l *Log) moveNewest(ctx context.Context, tx Tx, f *Feed, old string) error {
	pages, err := l.Pages(ctx, f.Key, f.Archives, f.Archives)
	if err != nil {
		return err
	}
	documents, _, err := l.encodePages(ctx, f, pages) // its types were counted when it was sealed
	if err != nil {
		return err
	}
	if err := tx.PutDocument(ctx, f.Key, documents[0]); err != nil {
		return err
	}
	return tx.DropNewest(ctx, f.Key, feed.Page{Epoch: old, Number: f.Archives})
}
