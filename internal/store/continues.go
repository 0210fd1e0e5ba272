package store

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Continues reports whether the history of now begins with the whole history of before, an
// earlier reading of the same feed. It does not if the database was replaced by another copy,
// or restored in place. Continues reads at most one event.
func (l *Log) Continues(ctx context.Context, before, now *Feed) (bool, error) {
	switch {
	case before.ID != now.ID || now.Position < before.Position:
		return false, nil
	case now.Position == before.Position:
		return now.Digest == before.Digest, nil
	case before.Position == 0:
		return true, nil
	}
	var digest feed.Digest
	err := l.Rows(ctx, now.Key, before.Position, before.Position, func(r *Row) error {
		digest = r.Digest
		return nil
	})
	return digest == before.Digest, err
}
