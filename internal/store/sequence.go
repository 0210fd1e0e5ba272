package store

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Sequence assigns positions to up to limit of a feed's pending events, in one transaction, and
// returns how many: none while the feed is held. If the history was written on another database,
// it starts a new epoch first.
//
// The lock on the feed's row is the only fence. The statement that takes it comes before the one
// that reads pending events, so the latter sees everything that the last holder of the lock has
// done.
func (l *Log) Sequence(ctx context.Context, name string, limit int) (int, error) {
	placed, started := 0, func() {}
	err := l.Write(ctx, sequenceWait, func(tx Tx) error {
		f, identity, err := tx.Lock(ctx, name)
		if err != nil {
			return err
		}
		moved := f.Identity != identity
		if moved {
			reason := fmt.Sprintf("database changed from %s to %s", f.Identity, identity)
			if err := l.startEpoch(ctx, tx, &f, reason); err != nil {
				return err
			}
			f.Identity = identity
			epoch := f.Epochs[len(f.Epochs)-1]
			started = func() {
				l.Logger.Warn("history continues under a new epoch", "feed", name, "epoch", epoch.ID, "from", epoch.FirstPosition, "reason", reason)
			}
		}
		p := newPlacer(&f)
		if !f.Held {
			if err := tx.TakePending(ctx, f.Key, limit, p.place); err != nil {
				return err
			}
		}
		placed = len(p.positions)
		if placed == 0 && !moved {
			return nil
		}
		if err := tx.AddPositions(ctx, f.Key, p.positions); err != nil {
			return err
		}
		if err := tx.AddPages(ctx, f.Key, p.pages); err != nil {
			return err
		}
		f.modify()
		return tx.Save(ctx, &f)
	})
	if err != nil {
		return 0, fmt.Errorf("sequence feed %s: %w", name, l.busy(ctx, name, err))
	}
	started()
	return placed, nil
}

// placer assigns positions: it moves the feed's end forward, event by event, and collects the rows
// to write.
type placer struct {
	feed      *Feed
	chain     feed.Chain
	positions []Position
	pages     []Page
	buffer    []byte
}

func newPlacer(f *Feed) *placer {
	return &placer{feed: f, chain: feed.Chain{Position: f.Position, Digest: f.Digest, Epochs: f.Epochs}}
}

// place assigns the next position to an event. It refuses an event that readers would refuse. Such
// an event exists only if someone has bypassed the functions for writers.
func (p *placer) place(insertNo int64, e *event.Event) error {
	if err := cloudevents.Complete(e); err != nil {
		return err
	}
	if _, err := cloudevents.Normal(*e); err != nil {
		return err
	}
	f, size := p.feed, int64(cloudevents.Size(e))
	if f.Position >= f.Open.First && f.Open.Bytes+size > int64(f.PageBytes) {
		p.pages = append(p.pages, f.closePage())
	}
	var hash feed.Digest
	hash, p.buffer = feed.EventHash(e, p.buffer)
	p.chain.Next(hash)
	f.Position, f.Digest = p.chain.Position, p.chain.Digest
	f.Open.Bytes += size
	p.positions = append(p.positions, Position{f.Position, insertNo, f.Digest})
	if f.Position-f.Open.First+1 == int64(f.PageSize) || f.Open.Bytes >= int64(f.PageBytes) {
		p.pages = append(p.pages, f.closePage())
	}
	return nil
}

// closePage closes the open page after the last event, and opens the next one.
func (f *Feed) closePage() Page {
	page := Page{Number: f.Open.Number, First: f.Open.First, Last: f.Position}
	f.Open = OpenPage{Number: page.Number + 1, First: f.Position + 1}
	return page
}
