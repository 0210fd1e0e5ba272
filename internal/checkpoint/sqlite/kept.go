package sqlite

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Kept returns the places of a feed that a consumer keeps, in the order of positions.
func (s *Session) Kept(ctx context.Context, consumer, feedID string) (all []feed.Place, err error) {
	err = s.use(ctx, func(db sqlitedb.Querier) (err error) {
		all, err = sqlitedb.CollectRows(ctx, db, scanPlace, `
			SELECT position, epoch, digest FROM eventfeed_digests
			WHERE consumer = ? AND feed_id = ? ORDER BY position`, consumer, feedID)
		return err
	})
	return all, err
}

func scanPlace(row sqlitedb.Row) (place feed.Place, err error) {
	var digest []byte
	if err := row.Scan(&place.Position, &place.Epoch, &digest); err != nil {
		return place, err
	}
	place.Digest = feed.Digest(digest)
	return place, nil
}

// keep stores the places that a move adds, and deletes the places after its end if it moves
// back.
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
