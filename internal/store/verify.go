package store

import (
	"context"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Verify recomputes a feed's digests from its events, and compares them with the stored ones and
// with every page's document. It returns the last position and its digest, or ErrDoesNotAddUp,
// wrapped, for the first inconsistency. It verifies the feed up to its end at the start.
func (l *Log) Verify(ctx context.Context, name string) (position int64, digest feed.Digest, err error) {
	f, err := l.Feed(ctx, name)
	if err != nil {
		return 0, digest, err
	}
	v := &verifier{log: l, feed: &f, chain: feed.Chain{Digest: feed.FirstDigest(f.ID), Epochs: f.Epochs}}
	if v.pages, err = l.Pages(ctx, f.Key, 1, f.Open.Number-1); err != nil {
		return 0, digest, err
	}
	err = l.Rows(ctx, f.Key, 1, f.Position, func(r *Row) error { return v.row(ctx, r) })
	if err == nil {
		err = v.end(ctx)
	}
	if err == nil {
		err = l.verifyTypes(ctx, name)
	}
	if err == nil && f.Entities {
		err = l.verifyEntities(ctx, f.Key)
	}
	if err != nil {
		return 0, digest, fmt.Errorf("feed %s: %w", name, err)
	}
	return f.Position, v.chain.Digest, nil
}

// verifier iterates over a feed's rows and pages in parallel.
type verifier struct {
	log       *Log
	feed      *Feed
	chain     feed.Chain
	pages     []Page // pages whose end was not reached yet
	pageFirst feed.Digest
	recorded  time.Time // of the last row
	buffer    []byte
}

func (v *verifier) row(ctx context.Context, r *Row) error {
	if r.Position != v.chain.Position+1 {
		return fmt.Errorf("%w: position %d follows position %d", ErrDoesNotAddUp, r.Position, v.chain.Position)
	}
	if r.Recorded.Before(v.recorded) {
		return fmt.Errorf("%w: position %d (event %s) was recorded at %s, before position %d, which was recorded at %s",
			ErrDoesNotAddUp, r.Position, r.ID, cloudevents.FormatTime(r.Recorded), v.chain.Position, cloudevents.FormatTime(v.recorded))
	}
	v.recorded = r.Recorded
	if len(v.pages) > 0 && v.pages[0].First == r.Position {
		v.pageFirst = v.chain.Digest
	}
	var hash feed.Digest
	hash, v.buffer = feed.EventHash(&r.Event, v.buffer)
	v.chain.Next(hash)
	if v.chain.Digest != r.Digest {
		return fmt.Errorf("%w: position %d (event %s): its digest is %s, stored is %s",
			ErrDoesNotAddUp, r.Position, r.ID, v.chain.Digest, r.Digest)
	}
	if len(v.pages) > 0 && v.pages[0].Last == r.Position {
		page := v.pages[0]
		v.pages = v.pages[1:]
		return v.page(ctx, page)
	}
	return nil
}

// page compares a sealed page's document with the page's rows, which were just read.
func (v *verifier) page(ctx context.Context, p Page) error {
	if p.Number > v.feed.Archives {
		return nil // closed, not sealed yet
	}
	page := v.feed.archive(p.Number)
	stored, err := v.log.Document(ctx, v.feed.Key, page)
	if err != nil {
		return fmt.Errorf("%w: archive %d: %w", ErrDoesNotAddUp, p.Number, err)
	}
	body, err := compress.Unzstd(stored.Body)
	if err != nil {
		return fmt.Errorf("%w: archive %d: %w", ErrDoesNotAddUp, p.Number, err)
	}
	d, err := feed.Decode(body)
	if err == nil {
		err = d.Check()
	}
	if err != nil {
		return fmt.Errorf("%w: archive %d: %w", ErrDoesNotAddUp, p.Number, err)
	}
	if d.ID != v.feed.ID || d.Page != p.Number || d.Epoch != page.Epoch || d.First != p.First || d.Last != p.Last ||
		d.DigestBefore != v.pageFirst || d.DigestAfter != v.chain.Digest {
		return fmt.Errorf("%w: archive %d holds another history than positions %d to %d", ErrDoesNotAddUp, p.Number, p.First, p.Last)
	}
	if final := p.Number < v.feed.Archives; (d.Next != nil) != final || (stored.Stage == Final) != final {
		// The newest archive may have become final since the feed was read.
		if !final && d.Next != nil && stored.Stage == Final {
			return nil
		}
		return fmt.Errorf("%w: archive %d of %d: stage %s, with a next page: %v", ErrDoesNotAddUp, p.Number, v.feed.Archives, stored.Stage, d.Next != nil)
	}
	return nil
}

func (v *verifier) end(ctx context.Context) error {
	f := v.feed
	if v.chain.Position != f.Position || v.chain.Digest != f.Digest {
		return fmt.Errorf("%w: events end at position %d digest %s, the feed at %d digest %s",
			ErrDoesNotAddUp, v.chain.Position, v.chain.Digest, f.Position, f.Digest)
	}
	if len(v.pages) > 0 {
		return fmt.Errorf("%w: page %d ends at position %d, beyond the last one", ErrDoesNotAddUp, v.pages[0].Number, v.pages[0].Last)
	}
	unplaced, err := v.log.Unplaced(ctx, f.Key)
	if err == nil && unplaced > 0 {
		err = fmt.Errorf("%w: %d events have no position and are not pending", ErrDoesNotAddUp, unplaced)
	}
	return err
}

// verifyTypes compares the counts of the archived events with the events, in one snapshot: a server
// may seal pages meanwhile. The database counts, because a feed may have any number of types.
func (l *Log) verifyTypes(ctx context.Context, name string) error {
	return l.Read(ctx, func(log Snapshot) error {
		f, err := log.Feed(ctx, name)
		if err != nil {
			return err
		}
		stored, counted, wrong, err := log.WrongType(ctx, f.Key, f.ArchivedTo)
		if err == nil && wrong {
			err = fmt.Errorf("%w: type %q, dataschema %q: the table of types has %d events at positions %d to %d, the archives have %d at %d to %d",
				ErrDoesNotAddUp, counted.Type, counted.DataSchema, stored.Events, stored.First, stored.Last, counted.Events, counted.First, counted.Last)
		}
		return err
	})
}
