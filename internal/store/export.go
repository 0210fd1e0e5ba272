package store

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Head is a feed as a copy of it should be: its subscription document, and the newest archive that
// this document lists.
type Head struct {
	Feed     *Feed
	Document *feed.Document
	Newest   Document // in its newest stage, or final; without a body if it was not asked for
}

// Head returns a feed's head, from one snapshot. known is an earlier subscription document, as for
// [Log.Subscription]. The archive is read only if the feed has more than archives. Errors are those of
// [Log.ReadFeed].
func (l *Log) Head(ctx context.Context, name string, known *feed.Document, archives int64) (h Head, err error) {
	err = l.ReadFeed(ctx, name, func(log Snapshot, f *Feed) error {
		h.Feed = f
		if h.Document, err = f.subscription(ctx, log, known); err != nil || f.Archives <= archives {
			return err
		}
		h.Newest, err = log.Document(ctx, f.Key, f.archive(f.Archives))
		return err
	})
	return h, err
}

// DigestAt returns the digest at a position that the feed has, or at 0.
func (l *Log) DigestAt(ctx context.Context, f *Feed, position int64) (digest feed.Digest, err error) {
	switch position {
	case 0:
		return feed.FirstDigest(f.ID), nil
	case f.Position:
		return f.Digest, nil
	}
	err = l.Rows(ctx, f.Key, position, position, func(r *Row) error {
		digest = r.Digest
		return nil
	})
	return digest, err
}
