package main

import (
	"context"
	"errors"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// standing is a checkpoint with what its feed says of it.
type standing struct {
	checkpoint.Standing
	lag     lag.Lag
	unknown error // why the lag is not known; nil if it is
	now     time.Time
}

// errOffline says of a lag that nobody was asked.
var errOffline = errors.New("was not asked")

// look reads the standings, and asks their feeds.
func (s *statusFlags) look(ctx context.Context, asker *asker) ([]standing, error) {
	target, done, err := lookAt(ctx, s.into)
	if err != nil {
		return nil, err
	}
	defer done()
	found, err := target.Standings(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]standing, 0, len(found))
	for _, f := range found {
		if s.consumer == "" || s.consumer == f.Consumer.Name {
			all = append(all, standing{Standing: f, unknown: errOffline})
		}
	}
	if !s.offline {
		asker.ask(ctx, all, target)
	}
	for i := range all {
		all[i].now = time.Now()
	}
	return all, nil
}

// The states of a consumer's feed.
const (
	stateSeeding   = "seeding"
	stateFollowing = "following"
	stateStopped   = "stopped"
	stateDone      = "done"
	stateMismatch  = "mismatch"
	stateUnknown   = "unknown"
)

func (s *standing) state() string {
	switch {
	case errors.Is(s.unknown, walk.ErrMismatch):
		return stateMismatch
	case !s.Consumer.AsOf.IsZero() && s.Position >= s.SeedEnd:
		return stateDone
	case s.HeldErr != nil:
		return stateUnknown
	case !s.Held:
		return stateStopped
	case s.Position < s.SeedEnd:
		return stateSeeding
	default:
		return stateFollowing
	}
}
