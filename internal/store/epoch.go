package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// NewEpoch starts a new epoch at the feed's end, whatever the reason: from
// here on readers can tell this history from one that went on elsewhere.
func (l *Log) NewEpoch(ctx context.Context, name, reason string) error {
	err := l.Write(ctx, func(tx Tx) error {
		f, identity, err := tx.Lock(ctx, name)
		if err != nil {
			return err
		}
		if err := startEpoch(ctx, tx, &f, reason); err != nil {
			return err
		}
		f.Identity = identity
		return tx.Save(ctx, &f)
	})
	if err != nil {
		return fmt.Errorf("new epoch of feed %s: %w", name, err)
	}
	return nil
}

// startEpoch starts an epoch behind the feed's last position. A page belongs
// to one epoch, so the open one closes short. The caller saves f.
func startEpoch(ctx context.Context, tx SequencerTx, f *Feed, reason string) error {
	if f.Position >= f.Open.First {
		if err := tx.AddPages(ctx, f.Key, []Page{f.closePage()}); err != nil {
			return err
		}
	}
	epoch := feed.Epoch{
		ID:            uuid.NewString(),
		FirstPosition: f.Position + 1,
		FirstPage:     f.Open.Number,
		DigestBefore:  f.Digest,
	}
	f.Epochs = append(f.Epochs, epoch)
	return tx.AddEpoch(ctx, f.Key, epoch, reason)
}
