package store

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Sequence gives up to limit of a feed's pending events their positions, in
// one transaction, and returns how many it gave: none while the feed is held.
// If the database is another one than the history was written on, it starts a
// new epoch first.
//
// The feed's row lock is the only fence. It is taken in a statement before
// the one that looks for pending events, so that one sees all that the last
// holder of the lock has done.
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

// placer gives positions: it moves the feed's end on, event by event, and
// collects what is to be written.
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

// place refuses what no reader would take. Nothing of that kind is there unless
// someone has gone round the functions for writers.
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

// closePage closes the open page behind the last event and opens the next one.
func (f *Feed) closePage() Page {
	page := Page{Number: f.Open.Number, First: f.Open.First, Last: f.Position}
	f.Open = OpenPage{Number: page.Number + 1, First: f.Position + 1}
	return page
}
