package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Step makes the moves and runs do, in one transaction that is durable when Step returns. do may
// add skipped events to the moves. Step returns ErrMoved, and applies nothing, if a checkpoint is
// not where its move begins or has another holder.
func (s *Session) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	return marked(s.moveWith(ctx, moves, func(tx pgx.Tx) error { return do(transaction{tx, s.sink}) }))
}

func (s *Session) moveWith(ctx context.Context, moves []checkpoint.Move, do func(pgx.Tx) error) error {
	return s.Do(ctx, func(tx pgx.Tx) error {
		// The moves come first, so that their row locks keep other processes out during do.
		for i := range moves {
			if err := s.move(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		if err := s.applyUserSettings(ctx, tx); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		for i := range moves {
			if to := &moves[i].To; to.Skipped != moves[i].From.Skipped {
				_, err := tx.Exec(ctx, `UPDATE eventfeed_seed.checkpoints SET skipped = $3
					WHERE consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2`,
					to.Consumer, to.FeedID, to.Skipped)
				if err != nil {
					return err
				}
			}
			if err := addSkipped(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Session) move(ctx context.Context, tx pgx.Tx, m *checkpoint.Move) error {
	from, to := &m.From, &m.To
	tag, err := tx.Exec(ctx, `
		UPDATE eventfeed_seed.checkpoints
		SET feed = $3, url = $4, epoch = $5, position = $6, digest = $7, seed_end = $8, left_out = $9, updated = now()
		WHERE consumer = $1 AND feed_id = $2 AND position = $10 AND digest = $11 AND holder = $12`,
		to.Consumer, to.FeedID, to.Feed, to.URL, to.Epoch, to.Position, to.Digest[:], to.SeedEnd, to.LeftOut,
		from.Position, from.Digest[:], s.holder)
	if err != nil {
		return blocked(err, to.Consumer)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("%s: %w", from, checkpoint.ErrMoved)
	}
	if to.Generation != from.Generation { // otherwise it may be that of a program, which stores it itself
		_, err = tx.Exec(ctx, "UPDATE eventfeed_seed.checkpoints SET generation = $3, generation_start = $4 WHERE consumer = $1 AND feed_id = $2",
			to.Consumer, to.FeedID, to.Generation, to.GenerationStart)
	}
	if err == nil && to.Position < from.Position {
		_, err = tx.Exec(ctx, "DELETE FROM eventfeed_seed.parked WHERE consumer = $1 AND feed_id = $2 AND position > $3",
			to.Consumer, to.FeedID, to.Position)
	}
	if err == nil {
		err = keep(ctx, tx, m)
	}
	if err == nil {
		err = mark(ctx, tx, to.Consumer, to.FeedID, m.Marks)
	}
	return err
}

// Rewind moves a checkpoint back, and deletes the later events from the parked ones and from the
// inbox.
func (s *Session) Rewind(ctx context.Context, from, to checkpoint.Checkpoint) error {
	return s.moveWith(ctx, []checkpoint.Move{{From: from, To: to}}, func(tx pgx.Tx) error {
		return s.removeFromInbox(ctx, tx, to, to.Position)
	})
}

// Reset deletes a consumer with all of its checkpoints, parked events and events in the inbox, in
// one transaction. It returns ErrMoved, and changes nothing, if a checkpoint differs from the
// given one or has another holder.
func (s *Session) Reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return s.Do(ctx, func(tx pgx.Tx) error {
		for _, c := range all {
			tag, err := tx.Exec(ctx, `
				DELETE FROM eventfeed_seed.checkpoints
				WHERE consumer = $1 AND feed_id = $2 AND position = $3 AND digest = $4 AND holder = $5`,
				c.Consumer, c.FeedID, c.Position, c.Digest[:], s.holder)
			if err != nil {
				return blocked(err, c.Consumer)
			}
			if tag.RowsAffected() != 1 {
				return fmt.Errorf("%s: %w", c, checkpoint.ErrMoved)
			}
			if err := unmark(ctx, tx, c.Consumer, c.FeedID); err != nil {
				return err
			}
			for _, table := range []string{"parked", "digests", "skipped", "consumers", "holders"} {
				if _, err := tx.Exec(ctx, "DELETE FROM eventfeed_seed."+table+" WHERE consumer = $1", c.Consumer); err != nil {
					return err
				}
			}
		}
		if err := s.applyUserSettings(ctx, tx); err != nil {
			return err
		}
		for _, c := range all {
			if err := s.removeFromInbox(ctx, tx, c, 0); err != nil {
				return err
			}
		}
		return s.forgetFeeds(ctx, tx, all)
	})
}
