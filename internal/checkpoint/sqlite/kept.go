package sqlite

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Kept returns the places that a consumer keeps of a feed, in the order of
// positions.
func (s *Session) Kept(ctx context.Context, consumer, feedID string) (all []feed.Place, err error) {
	err = s.use(ctx, func(db reader) error {
		rows, err := db.QueryContext(ctx, `
			SELECT position, epoch, digest FROM eventfeed_digests
			WHERE consumer = ? AND feed_id = ? ORDER BY position`, consumer, feedID)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var place feed.Place
			var digest []byte
			if err := rows.Scan(&place.Position, &place.Epoch, &digest); err != nil {
				return err
			}
			place.Digest = feed.Digest(digest)
			all = append(all, place)
		}
		return rows.Err()
	})
	return all, err
}

// keep writes down the places that a move adds, and forgets those that it
// goes back behind.
func keep(ctx context.Context, tx *sql.Tx, m *checkpoint.Move) error {
	to := &m.To
	if to.Position < m.From.Position {
		_, err := tx.ExecContext(ctx, "DELETE FROM eventfeed_digests WHERE consumer = ? AND feed_id = ? AND position > ?",
			to.Consumer, to.FeedID, to.Position)
		return err
	}
	if len(m.Kept) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO eventfeed_digests (consumer, feed_id, slot, position, epoch, digest) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (consumer, feed_id, slot) DO UPDATE SET position = excluded.position, epoch = excluded.epoch, digest = excluded.digest`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for i := range m.Kept {
		place := &m.Kept[i]
		if _, err := insert.ExecContext(ctx, to.Consumer, to.FeedID, checkpoint.Slot(place.Position), place.Position, place.Epoch, place.Digest[:]); err != nil {
			return err
		}
	}
	return nil
}
