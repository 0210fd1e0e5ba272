package overview

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Seconds is a duration that JSON writes in seconds.
type Seconds time.Duration

// MarshalJSON returns the seconds as a number.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', 1, 64), nil
}

// String returns the duration for people, such as 3 s, 12 min, 2 h 5 min or 4 days.
func (s Seconds) String() string {
	switch d := time.Duration(s); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// Count returns a number with a comma between thousands.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// maxText is the maximum length of an error that a report shows, in bytes.
const maxText = 500

func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// RateText returns the events per second for people.
func (f *Feed) RateText() string {
	switch {
	case f.Rate == 0:
		return "0/s"
	case f.Rate < 0.1:
		return "<0.1/s"
	case f.Rate < 10:
		return fmt.Sprintf("%.1f/s", f.Rate)
	default:
		return Count(int64(f.Rate+0.5)) + "/s"
	}
}

// PendingText returns the number of pending events.
func (f *Feed) PendingText() string { return counted(f.Pending) }

// RefusedText returns the number of refused rows.
func (f *Feed) RefusedText() string { return counted(f.Refused) }

// counted returns a number that the database counts up to a limit.
func counted(n int64) string {
	if n >= store.PendingCounted {
		return Count(n) + "+"
	}
	return Count(n)
}

// OldestText returns the age of the oldest pending event; empty if none waits.
func (f *Feed) OldestText() string {
	if f.Oldest == 0 {
		return ""
	}
	return f.Oldest.String()
}

// ReadersText returns how many readers the feed has, and how many of them have problems.
func (f *Feed) ReadersText() string {
	if f.Late == 0 {
		return strconv.Itoa(f.Readers)
	}
	return fmt.Sprintf("%d, %d late", f.Readers, f.Late)
}

// StateText returns the state of the feed in a word.
func (f *Feed) StateText() string {
	switch {
	case f.Moved:
		return "moved"
	case f.Held:
		return "held"
	case len(f.Problems) > 0:
		return string(f.Level())
	default:
		return "ok"
	}
}

// Level returns the level of the feed's worst problem; empty if there is none.
func (f *Feed) Level() Level { return levelOf(f.Problems) }

// Level returns the level of the reader's worst problem; empty if there is none.
func (r *Reader) Level() Level { return levelOf(r.Problems) }

func levelOf(problems []Problem) Level {
	for level, rank := range levels {
		if rank == worst(problems) {
			return level
		}
	}
	return ""
}

// LagText returns how long the reader has lacked events.
func (r *Reader) LagText() string {
	if r.LagIsLonger {
		return "more than " + r.Lag.String()
	}
	return r.Lag.String()
}

// PositionText returns the reader's position, or why there is none.
func (r *Reader) PositionText() string {
	switch {
	case r.Position != nil:
		return Count(*r.Position)
	case r.OtherHistory:
		return "of another history"
	default:
		return "unknown"
	}
}

// BehindText returns how many events the reader lacks, and for how long.
func (r *Reader) BehindText() string {
	switch {
	case r.Behind == nil:
		return "unknown"
	case *r.Behind == 0:
		return "0"
	default:
		return events(*r.Behind, "event", "events") + ", " + r.LagText()
	}
}

// StateText returns what the reader does.
func (r *Reader) StateText() string {
	switch r.State {
	case Waiting:
		return "waiting"
	case Reading:
		return fmt.Sprintf("reading page %s of %s", Count(r.Page), Count(r.Pages))
	case Away:
		return "away for " + r.Away.String()
	default:
		return "polling"
	}
}

// SeenText returns when the reader was seen.
func (r *Reader) SeenText() string {
	if r.State == Waiting {
		return "now"
	}
	return r.Away.String() + " ago"
}

// Up returns how long the server has been running.
func (s *Server) Up(now time.Time) Seconds { return Seconds(now.Sub(s.Started)) }

// ReadyText returns whether the server is ready, or why not.
func (s *Server) ReadyText() string {
	if s.Ready {
		return "ready"
	}
	return "not ready: " + s.NotReady
}

// DatabaseText returns whether the database answers.
func (s *Server) DatabaseText(now time.Time) string {
	switch {
	case s.Database.Up:
		return "the database answers"
	case s.Database.Answered.IsZero():
		return "the database has not answered yet"
	default:
		return "the database has not answered for " + Seconds(now.Sub(s.Database.Answered)).String()
	}
}

// Subject returns whose problem it is, as the beginning of a sentence that What completes; empty if it
// is the server's.
func (p *Problem) Subject() string {
	switch {
	case p.Reader != "":
		return "reader " + p.Reader + " of feed " + p.Feed + " "
	case p.Feed != "":
		return "feed " + p.Feed + ": "
	default:
		return ""
	}
}
