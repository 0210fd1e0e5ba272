package lag

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/foreign"
)

// Foreign computes lags behind a foreign feed. It can be used repeatedly, by one goroutine.
type Foreign struct {
	Config foreign.Config
	Memory func(consumer, feedID string) checkpoint.Memory

	reader *foreign.Reader
}

// Look fetches the feed's own document, with one request.
func (f *Foreign) Look(ctx context.Context) (err error) {
	if f.reader != nil {
		_, err = f.reader.Refresh(ctx)
		return err
	}
	f.reader, err = foreign.Open(ctx, f.Config)
	return err
}

// Lag returns the lag of a consumer behind the document of Look, from what the target stores: the
// number of entries whose latest version is not applied, and the earliest time of change among
// them; for an entry without a time, at latest the last move of the checkpoint. It fetches a few
// archives if there are new ones. foreign.ErrMore reports that more would be needed. An error that
// matches walk.ErrMismatch reports that the feed is not the one that was read.
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
	if !s.Consumer.AsOf.IsZero() { // the consumer leaves out later events
		lag.Events = min(lag.Events, max(0, s.SeedEnd-s.Position))
	}
	if lag.Events == 0 {
		return Lag{}, nil
	}
	return lag, nil
}

// earlier returns the earlier of two times. The first may be zero, which means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
