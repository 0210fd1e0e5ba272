package lag

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/foreign"
)

// Foreign is a feed that is not eventfeed's own, and is asked again and again if
// need be. It is for one goroutine.
type Foreign struct {
	Config foreign.Config
	Memory func(consumer, feedID string) checkpoint.Memory

	reader *foreign.Reader
}

// Look fetches the feed's own document: one request.
func (f *Foreign) Look(ctx context.Context) (err error) {
	if f.reader != nil {
		_, err = f.reader.Refresh(ctx)
		return err
	}
	f.reader, err = foreign.Open(ctx, f.Config)
	return err
}

// Lag returns how far a consumer is behind what Look has found, by what is
// remembered of it: how many entries are not applied in the version that is
// there, and since the earliest time of change among them; where one has no time,
// at least since the checkpoint was moved last. It fetches a few archives, if
// there are new ones. foreign.ErrMore says that this was not enough; an error that
// matches walk.ErrMismatch, that the feed is not the one that was read.
func (f *Foreign) Lag(ctx context.Context, s *checkpoint.Status) (lag Lag, err error) {
	r := f.reader
	if err := r.Continue(ctx, &s.Checkpoint); err != nil {
		return lag, err
	}
	r.Use(f.Memory(s.Consumer.Name, s.FeedID))
	unread, err := r.Unread(ctx)
	if err != nil {
		return lag, err
	}
	lag = Lag{Events: unread.Events, Since: unread.Since}
	if unread.Undated {
		lag.Since = earlier(lag.Since, s.Updated)
	}
	if !s.Consumer.AsOf.IsZero() { // what came later is nothing to it
		lag.Events = min(lag.Events, max(0, s.SeedEnd-s.Position))
	}
	if lag.Events == 0 {
		return Lag{}, nil
	}
	return lag, nil
}

// earlier returns the earlier one of two times of which the first may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
