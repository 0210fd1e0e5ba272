package store

import "context"

// Continues reports whether the history of now begins with the whole history of before, an
// earlier reading of the same feed. It does not if the database was replaced by another copy,
// or restored in place. Continues reads at most one event.
func (l *Log) Continues(ctx context.Context, before, now *Feed) (bool, error) {
	switch {
	case before.ID != now.ID || now.Position < before.Position:
		return false, nil
	case before.Position == 0:
		return true, nil
	}
	digest, err := l.DigestAt(ctx, now, before.Position)
	return digest == before.Digest, err
}
