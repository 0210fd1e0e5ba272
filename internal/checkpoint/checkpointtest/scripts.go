package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// script is work in which each call goes wrong in turn. It is done once more then, and
// leaves what it would have left if nothing had gone wrong.
type script struct {
	needs checkpoint.Feature
	// on returns the work on a target, and the target that it is done on.
	on func(of checkpoint.Target) (checkpoint.Target, work)
	// leaves makes sure of what there is when the work has been done from position 0 to
	// another one, four events at a time.
	leaves func(t *testing.T, p Place, position int64)
}

// work is done with a consumer that is at a position.
type work func(ctx context.Context, s *checkpoint.Session, from int64) error

// scripts are all of them, by name.
var scripts = map[string]script{
	"reading":    {"", readsOn, holds},
	"parking":    {checkpoint.Parking, parksAndRetries, eachOnce},
	"going back": {checkpoint.GoingBack, goesBackAndStartsOver, nothingIsLeft},
}

func readsOn(of checkpoint.Target) (checkpoint.Target, work) {
	return of, func(ctx context.Context, s *checkpoint.Session, from int64) error { return read(ctx, s, from+4) }
}

// parksAndRetries parks the first of four events, and applies it later.
func parksAndRetries(of checkpoint.Target) (checkpoint.Target, work) {
	refused := ""
	return choosy{of, &refused}, func(ctx context.Context, s *checkpoint.Session, from int64) error {
		refused = fmt.Sprint(from + 1)
		s.Park(func(*event.Delivered, error) {})
		err := read(ctx, s, from+4)
		refused = ""
		if err != nil {
			return err
		}
		if _, err := s.CountParked(ctx, at(from+4), from); err != nil {
			return err
		}
		_, err = s.Retry(ctx, []checkpoint.Checkpoint{at(from + 4)}, checkpoint.ParkedFilter{Consumer: consumer})
		return err
	}
}

func goesBackAndStartsOver(of checkpoint.Target) (checkpoint.Target, work) {
	return of, func(ctx context.Context, s *checkpoint.Session, _ int64) error {
		if err := read(ctx, s, 4); err != nil {
			return err
		}
		if s.Lacks(checkpoint.ForeignFeeds) == nil {
			if err := records(ctx, s.Memory(consumer, feedID)); err != nil {
				return err
			}
		}
		if _, err := s.SkippedTypes(ctx); err != nil {
			return err
		}
		if _, err := s.Kept(ctx, at(4)); err != nil {
			return err
		}
		if _, err := s.Backend.(checkpoint.Rewinder).Consumers(ctx); err != nil {
			return err
		}
		if err := s.Rewind(ctx, at(4), at(2)); err != nil {
			return err
		}
		return s.Reset(ctx, []checkpoint.Checkpoint{at(2)})
	}
}

// records writes down an archive, and forgets it.
func records(ctx context.Context, memory checkpoint.Memory) error {
	entries := []checkpoint.Version{{Entry: "a", Updated: 1}}
	known, err := memory.Archive(ctx, "u")
	if err == nil && known == nil {
		err = memory.Record(ctx, &checkpoint.Archive{URL: "u"}, entries)
	}
	if err != nil {
		return err
	}
	if err := memory.Mark(ctx, checkpoint.Marks{Entries: entries, Archives: []string{"u"}}); err != nil {
		return err
	}
	return memory.Forget(ctx)
}

// eachOnce makes sure that each event up to a position was applied once, in any order.
func eachOnce(t *testing.T, p Place, position int64) {
	t.Helper()
	applied := p.Applied(t)
	slices.Sort(applied)
	for i, got := range applied {
		if got != int64(i+1) {
			t.Fatalf("applied %v", applied)
		}
	}
	if int64(len(applied)) != position {
		t.Errorf("applied %d of %d", len(applied), position)
	}
}

func nothingIsLeft(t *testing.T, p Place, _ int64) {
	t.Helper()
	holds(t, p, -1)
}

// failures returns the test of a script in which each call fails in turn, once without
// having done anything and once after it has: then its caller does not know, as after a
// lost connection. The same session does the work once more.
func failures(name string) func(*testing.T, Place) {
	script := scripts[name]
	return func(t *testing.T, p Place) {
		of, do := script.on(p.Target)
		position := int64(0)
		for _, after := range []bool{false, true} {
			for call, more := 0, true; more; call++ {
				f := &faults{call: call, after: after, wrong: func() error { return errInjected }}
				s := open(t, target{of, f})
				err := do(t.Context(), s, position)
				more = err != nil // else there are no more calls
				if more && !errors.Is(err, errInjected) {
					t.Fatalf("call %d, after it %t: %v", call, after, err)
				}
				if more {
					if err := do(t.Context(), s, position); err != nil {
						t.Fatalf("once more after call %d, after it %t: %v", call, after, err)
					}
				}
				s.Close()
				position += 4
			}
		}
		script.leaves(t, p, position)
	}
}
