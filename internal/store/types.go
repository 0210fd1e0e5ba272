package store

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// The sealer counts the events of each type and dataschema in the transaction that seals their
// pages. So the table of types always covers exactly the positions up to Feed.ArchivedTo. The few
// events after them, at most a page, are counted when someone asks.

// TypeReader has the reads of a feed's types.
type TypeReader interface {
	// ArchivedTypes returns up to limit types of the feed's archived events with their
	// counts, in the order of their keys, after a key.
	ArchivedTypes(ctx context.Context, key int64, after feed.TypeKey, limit int) ([]feed.TypeCount, error)
	// HasType reports whether ArchivedTypes has a type, with any dataschema.
	HasType(ctx context.Context, key int64, name string) (bool, error)
	// CountTypes counts the events from position first to last, in no order. It reads each
	// of them.
	CountTypes(ctx context.Context, key, first, last int64) ([]feed.TypeCount, error)
	// WrongType recounts the events up to a position, and compares the result with
	// ArchivedTypes. It returns the first difference: what is stored, and what there is,
	// with 0 events for what is missing. It reads every event.
	WrongType(ctx context.Context, key, last int64) (stored, counted feed.TypeCount, found bool, err error)
}

// Types returns up to limit of a feed's types with their counts, in the order of their keys and
// after a key, up to position Feed.Published. more reports that there are further ones. The zero
// key stands for the beginning. Errors are those of [Log.ReadFeed].
func (l *Log) Types(ctx context.Context, name string, after feed.TypeKey, limit int) (f *Feed, types []feed.TypeCount, more bool, err error) {
	err = l.ReadFeed(ctx, name, func(log Snapshot, now *Feed) error {
		f = now
		types, err = now.types(ctx, log, after, limit+1)
		return err
	})
	if err != nil {
		return nil, nil, false, fmt.Errorf("read types: %w", err)
	}
	if more = len(types) > limit; more {
		types = types[:limit]
	}
	return f, types, more, nil
}

// types returns up to limit types after a key, with the events that are not archived.
func (f *Feed) types(ctx context.Context, log Snapshot, after feed.TypeKey, limit int) ([]feed.TypeCount, error) {
	archived, err := log.ArchivedTypes(ctx, f.Key, after, limit)
	if err != nil {
		return nil, err
	}
	open, err := log.CountTypes(ctx, f.Key, f.ArchivedTo+1, f.Published)
	if err != nil {
		return nil, err
	}
	counts := make(feed.TypeCounts, len(archived)+len(open))
	counts.Merge(archived)
	for _, count := range open {
		// If the archived ones are cut, those after the last one are cut below.
		if count.Compare(after) > 0 {
			counts.Merge([]feed.TypeCount{count})
		}
	}
	sorted := counts.Sorted()
	return sorted[:min(len(sorted), limit)], nil
}

// summarized is the maximum number of types that a subscription document is read with: enough for
// almost every feed, and few, because every change of the archives reads them.
const summarized = 100

// addTypes adds the types of the archived events to a subscription document: those of an earlier
// document if no page was sealed since.
func (f *Feed) addTypes(ctx context.Context, log Snapshot, d, known *feed.Document) error {
	if known != nil && known.Archived != nil && known.Archived.To == f.ArchivedTo {
		d.Archived = known.Archived
		return nil
	}
	counts, err := log.ArchivedTypes(ctx, f.Key, feed.TypeKey{}, summarized+1)
	if err != nil {
		return err
	}
	more := len(counts) > summarized
	if more {
		counts = nil // a part of them does not tell which ones are frequent
	}
	d.Archived = &feed.ArchivedTypes{To: f.ArchivedTo, Counts: counts, More: more}
	return nil
}
