package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Step makes the moves and runs do, in one transaction. do may add skipped events to the moves.
// Step returns ErrMoved, and applies nothing, if a checkpoint is not where its move begins or has
// another holder.
func (s *Session) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	return marked(s.moveWith(ctx, moves, func(tx *sql.Tx) error { return do(transaction{tx, s.sink}) }))
}

func (s *Session) moveWith(ctx context.Context, moves []checkpoint.Move, do func(*sql.Tx) error) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for i := range moves {
			if err := s.move(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		if err := do(tx); err != nil {
			return err
		}
		for i := range moves {
			if to := &moves[i].To; to.Skipped != moves[i].From.Skipped {
				_, err := tx.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET skipped = ? WHERE consumer = ? AND feed_id = ?",
					to.Skipped, to.Consumer, to.FeedID)
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

func (s *Session) move(ctx context.Context, tx *sql.Tx, m *checkpoint.Move) error {
	from, to := &m.From, &m.To
	result, err := tx.ExecContext(ctx, `
		UPDATE eventfeed_checkpoints
		SET feed = ?, url = ?, epoch = ?, position = ?, digest = ?, seed_end = ?, left_out = ?, updated = ?
		WHERE consumer = ? AND feed_id = ? AND position = ? AND digest = ? AND holder = ?`,
		to.Feed, to.URL, to.Epoch, to.Position, to.Digest[:], to.SeedEnd, to.LeftOut, cloudevents.FormatTime(time.Now()),
		to.Consumer, to.FeedID, from.Position, from.Digest[:], s.holder)
	if err != nil {
		return err
	}
	if moved, err := result.RowsAffected(); err != nil || moved != 1 {
		return errors.Join(err, fmt.Errorf("%s: %w", from, checkpoint.ErrMoved))
	}
	if to.Generation != from.Generation { // otherwise it may be that of a program, which stores it itself
		_, err = tx.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET generation = ?, generation_start = ? WHERE consumer = ? AND feed_id = ?",
			to.Generation, to.GenerationStart, to.Consumer, to.FeedID)
	}
	if err == nil && to.Position < from.Position {
		_, err = tx.ExecContext(ctx, "DELETE FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position > ?",
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
	return s.moveWith(ctx, []checkpoint.Move{{From: from, To: to}}, func(tx *sql.Tx) error {
		return s.removeFromInbox(ctx, tx, to, to.Position)
	})
}

// Reset deletes a consumer with all of its checkpoints, parked events and events in the inbox, in
// one transaction. It returns ErrMoved, and changes nothing, if a checkpoint differs from the
// given one or has another holder.
func (s *Session) Reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, c := range all {
			result, err := tx.ExecContext(ctx, `
				DELETE FROM eventfeed_checkpoints
				WHERE consumer = ? AND feed_id = ? AND position = ? AND digest = ? AND holder = ?`,
				c.Consumer, c.FeedID, c.Position, c.Digest[:], s.holder)
			if err != nil {
				return err
			}
			if deleted, err := result.RowsAffected(); err != nil || deleted != 1 {
				return errors.Join(err, fmt.Errorf("%s: %w", c, checkpoint.ErrMoved))
			}
			if err := unmark(ctx, tx, c.Consumer, c.FeedID); err != nil {
				return err
			}
			for _, table := range []string{"eventfeed_parked", "eventfeed_digests", "eventfeed_skipped", "eventfeed_consumers", "eventfeed_holders"} {
				if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE consumer = ?", c.Consumer); err != nil {
					return err
				}
			}
		}
		for _, c := range all {
			if err := s.removeFromInbox(ctx, tx, c, 0); err != nil {
				return err
			}
		}
		return s.forgetFeeds(ctx, tx, all)
	})
}
