package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Kept returns the places of a feed that a consumer keeps, in the order of positions.
func (s *Session) Kept(ctx context.Context, consumer, feedID string) (all []feed.Place, err error) {
	do := s.doBeside
	if s.conn != nil { // it is idle, and the pool may have no other connection left
		do = s.Do
	}
	err = do(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT position, epoch, digest FROM eventfeed_seed.digests
			WHERE consumer = $1 AND feed_id = $2 ORDER BY position`, consumer, feedID)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (place feed.Place, err error) {
			var digest []byte
			if err = row.Scan(&place.Position, &place.Epoch, &digest); err == nil {
				place.Digest = feed.Digest(digest)
			}
			return place, err
		})
		return err
	})
	return all, err
}

// keep stores the places that a move adds, and deletes the places after its end if it moves
// back.
func keep(ctx context.Context, tx pgx.Tx, m *checkpoint.Move) error {
	to := &m.To
	if to.Position < m.From.Position {
		_, err := tx.Exec(ctx, "DELETE FROM eventfeed_seed.digests WHERE consumer = $1 AND feed_id = $2 AND position > $3",
			to.Consumer, to.FeedID, to.Position)
		return err
	}
	if len(m.Kept) == 0 {
		return nil
	}
	slots, positions := make([]int64, len(m.Kept)), make([]int64, len(m.Kept))
	epochs, digests := make([]string, len(m.Kept)), make([][]byte, len(m.Kept))
	for i := range m.Kept {
		place := &m.Kept[i]
		slots[i], positions[i], epochs[i], digests[i] = checkpoint.Slot(place.Position), place.Position, place.Epoch, place.Digest[:]
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO eventfeed_seed.digests (consumer, feed_id, slot, position, epoch, digest)
		SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bytea[])
		ON CONFLICT (consumer, feed_id, slot) DO UPDATE SET position = excluded.position, epoch = excluded.epoch, digest = excluded.digest`,
		to.Consumer, to.FeedID, slots, positions, epochs, digests)
	return err
}
