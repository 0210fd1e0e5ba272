package overview

import (
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/readers"
)

// State is what a reader does.
type State string

// The states of a reader.
const (
	Waiting    State = "waiting"     // it has a long poll or a stream open
	Following  State = "following"   // it asks as often as usual, and may lack what came since its last request
	CatchingUp State = "catching_up" // it reads archives, or gets forward and has lacked events for a minute
	Stuck      State = "stuck"       // it asks, and does not get forward, although there are events
	Silent     State = "silent"      // it has sent no request for longer than usual, see [readers.Reader.SilentAfter]
)

// Reader is the state of one reader of one feed. Behind is how many events it has not fetched, and
// nil if that is unknown; so is Position.
type Reader struct {
	Feed     string       `json:"feed"`
	Kind     readers.Kind `json:"kind"`
	Name     string       `json:"name"`
	Agent    string       `json:"agent"`
	Address  string       `json:"address,omitempty"`
	Position *int64       `json:"position"`
	Behind   *int64       `json:"behind_events"`
	// Lag is how long, at least, it has lacked the first event that it has not fetched. LagIsLonger
	// reports that this is since before the server's start.
	Lag         Seconds   `json:"behind_seconds"`
	LagIsLonger bool      `json:"behind_since_before_start"`
	First       time.Time `json:"first_seen"`
	Seen        time.Time `json:"last_seen"`
	// Interval is how long it usually sends nothing, and Follows reports that enough is known to say so.
	Interval Seconds `json:"usual_interval_seconds"`
	Follows  bool    `json:"follows"`
	Status   int     `json:"last_status,omitempty"` // of HTTP
	State    State   `json:"state"`
	Rate     float64 `json:"events_per_second"`
	// Left is how long it takes to catch up at the present rates; 0 if that is unknown.
	Left         Seconds   `json:"seconds_left,omitempty"`
	Page         int64     `json:"page,omitempty"`
	Pages        int64     `json:"pages,omitempty"`
	OtherHistory bool      `json:"other_history"`
	Problems     []Problem `json:"problems"`

	Away     Seconds `json:"-"` // since Seen; 0 while it waits
	stuckFor Seconds
	feedRate float64
	number   int64
}

// ReaderOf compares a reader with its feed. Its position is never beyond the feed's.
func ReaderOf(entry *readers.Reader, state *feedstate.State, progress *readers.Progress, now time.Time) Reader {
	r := Reader{
		Feed: entry.Feed, Kind: entry.Kind, Name: entry.Name, Agent: entry.Agent, Address: entry.Address,
		First: entry.First, Seen: entry.Seen, Interval: Seconds(entry.Interval), Follows: entry.Follows,
		Status: entry.Status, Rate: entry.Rate, feedRate: progress.Rate(entry.Feed, now), number: entry.Number,
		OtherHistory: entry.OtherHistory || entry.Epoch != "" && !hasHistory(state, entry.Epoch, entry.Position),
	}
	if entry.Waiting > 0 {
		r.Seen = now
	}
	r.Away = Seconds(now.Sub(r.Seen))
	if entry.Epoch != "" && !r.OtherHistory {
		position := min(entry.Position, state.Published)
		behind := state.Published - position
		r.Position, r.Behind = &position, &behind
		lag, isLonger := progress.Behind(entry.Feed, position, now)
		r.Lag, r.LagIsLonger = Seconds(lag), isLonger
	}
	if net := r.Rate - r.feedRate; net > 0 {
		r.Left = Seconds(float64(r.behind()) / net * float64(time.Second))
	}
	if entry.Page > 0 {
		r.Page, r.Pages = entry.Page, max(state.Archives, entry.Page)
	}
	r.stuckFor = Seconds(stuckFor(entry, &r, now))
	r.State = stateOf(entry, &r)
	r.Problems = readerProblems(&r)
	return r
}

func stateOf(entry *readers.Reader, r *Reader) State {
	switch {
	case r.stuckFor > 0 && time.Duration(r.Away) < entry.SilentAfter():
		return Stuck
	case r.behind() > 0 && entry.Waiting > 0 && time.Duration(r.Lag) >= StuckAfter:
		return CatchingUp
	case entry.Waiting > 0:
		return Waiting
	case entry.Page > 0:
		return CatchingUp
	case time.Duration(r.Away) >= entry.SilentAfter():
		return Silent
	case r.behind() > 0 && r.Rate > 0 && time.Duration(r.Lag) >= max(StuckAfter, entry.SilentAfter()):
		return CatchingUp
	default:
		return Following
	}
}

// stuckFor returns how long a reader has sent requests and not got forward although there were events;
// 0 if it gets forward. Its last request must be of a time at which it had lacked events for a while: it may
// have had no reason to ask before.
func stuckFor(entry *readers.Reader, r *Reader, now time.Time) time.Duration {
	if repeated := now.Sub(entry.RepeatsSince); entry.Repeats >= stuckRequests && repeated >= StuckAfter {
		return repeated
	}
	unmoved := min(now.Sub(entry.Moved), time.Duration(r.Lag))
	if r.behind() == 0 || unmoved-time.Duration(r.Away) < StuckAfter || entry.Waiting == 0 && entry.Requests < stuckRequests {
		return 0
	}
	return unmoved
}

// stuckRequests is the least number of requests without effect.
const stuckRequests = 3

func (r *Reader) behind() int64 {
	if r.Behind == nil {
		return 0
	}
	return *r.Behind
}

// hasHistory reports whether a feed has the history up to a position of an epoch.
func hasHistory(state *feedstate.State, epoch string, position int64) bool {
	i := slices.IndexFunc(state.Epochs, func(e feed.Epoch) bool { return e.ID == epoch })
	if i < 0 {
		return false
	}
	if i+1 < len(state.Epochs) {
		return position < state.Epochs[i+1].FirstPosition
	}
	return true
}
