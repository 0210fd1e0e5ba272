package lag

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Reader is a consumer's checkpoint in one feed, with its lag.
type Reader struct {
	checkpoint.Status
	Lag     Lag
	Unknown error     // why the lag is unknown; nil if it is known
	Now     time.Time // the time of the status
}

// The states of a consumer's feed.
const (
	Seeding   = "seeding"
	Following = "following"
	Stopped   = "stopped"
	Done      = "done"
	Mismatch  = "mismatch"
	Unknown   = "unknown"
)

// State returns the state: one of the constants above.
func (r *Reader) State() string {
	switch {
	case errors.Is(r.Unknown, walk.ErrMismatch):
		return Mismatch
	case r.isDone():
		return Done
	case r.HeldErr != nil:
		return Unknown
	case !r.Held:
		return Stopped
	case r.Position < r.SeedEnd:
		return Seeding
	default:
		return Following
	}
}

// isDone reports whether the state as of a point in time is complete.
func (r *Reader) isDone() bool { return !r.Consumer.AsOf.IsZero() && r.Position >= r.SeedEnd }

// Behind returns the lag as text.
func (r *Reader) Behind() string {
	switch {
	case r.Unknown != nil:
		return "?"
	case r.Lag.Events == 0:
		return "0"
	case r.Lag.Events == 1:
		return "1 event, " + roughly(r.Lag.For(r.Now))
	default:
		return fmt.Sprintf("%d events, %s", r.Lag.Events, roughly(r.Lag.For(r.Now)))
	}
}

// Late returns an error that names the consumers that have not applied their initial seed, that lag
// by more than limit, or whose lag is unknown; nil if there are none.
func Late(all []Reader, limit time.Duration) error {
	var late []string
	for i := range all {
		r := &all[i]
		who := fmt.Sprintf("consumer %s of feed %s", r.Consumer.Name, r.Feed)
		switch {
		case r.Unknown != nil:
			late = append(late, who+": cannot determine its lag")
		case r.Position < r.SeedEnd:
			late = append(late, fmt.Sprintf("%s: the history is not applied yet, %d of %d events are", who, r.Position, r.SeedEnd))
		case r.Lag.For(r.Now) > limit:
			late = append(late, who+" lags by "+r.Behind())
		}
	}
	if late == nil {
		return nil
	}
	return errors.New(strings.Join(late, "; "))
}

// roughly formats a duration with little precision.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 2*day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}
