package seed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// named is a target whose errors say which database has them, and at what.
type named struct {
	Target
	name string
}

// nameOf names the database that a pool leads to.
func nameOf(pool *pgxpool.Pool) string {
	config := pool.Config().ConnConfig
	return fmt.Sprintf("database %s at %s", config.Database, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
}

func (n named) claim(ctx context.Context, consumer string) error {
	return n.at("claim consumer "+consumer, n.Target.claim(ctx, consumer))
}

func (n named) load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error) {
	found, err := n.Target.load(ctx, consumer)
	return found, n.at("read the checkpoint", err)
}

func (n named) kept(ctx context.Context, c checkpoint.Checkpoint) ([]walk.Place, error) {
	found, err := n.Target.kept(ctx, c)
	return found, n.at("read the digests that it keeps", err)
}

func (n named) consumer(ctx context.Context, name string) (checkpoint.Consumer, bool, error) {
	c, known, err := n.Target.consumer(ctx, name)
	return c, known, n.at("read what the consumer is", err)
}

func (n named) start(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	return n.at("write the first checkpoint", n.Target.start(ctx, c, first, fresh))
}

func (n named) check(ctx context.Context, c checkpoint.Consumer) error {
	return n.at("prepare to apply", n.Target.check(ctx, c))
}

func (n named) apply(ctx context.Context, w work) error {
	return n.at("apply "+w.String(), n.Target.apply(ctx, w))
}

func (n named) entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error) {
	found, err := n.Target.entities(ctx, consumer)
	return found, n.at("read what is parked", err)
}

func (n named) listParked(ctx context.Context, of checkpoint.Shelf, yield func(ParkedEvent) bool) error {
	return n.at("read what is parked", n.Target.listParked(ctx, of, yield))
}

func (n named) unpark(ctx context.Context, all []checkpoint.Checkpoint, of checkpoint.Shelf) (Retried, error) {
	done, err := n.Target.unpark(ctx, all, of)
	return done, n.at("apply what is parked", err)
}

func (n named) rewind(ctx context.Context, from, to checkpoint.Checkpoint) error {
	return n.at(fmt.Sprintf("go back to position %d", to.Position), n.Target.rewind(ctx, from, to))
}

func (n named) reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return n.at("delete the checkpoint", n.Target.reset(ctx, all))
}

// at leaves the errors of other seeders as they are: those name the consumer,
// which is what they are about.
func (n named) at(what string, err error) error {
	if err == nil || errors.Is(err, ErrHeld) || errors.Is(err, ErrMoved) {
		return err
	}
	return fmt.Errorf("%s: %s: %w", n.name, what, err)
}
