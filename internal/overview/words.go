package overview

import (
	"fmt"
	"net/http"
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
func (f *Feed) RateText() string { return rateText(f.Rate) }

func rateText(rate float64) string {
	switch {
	case rate == 0:
		return "0/s"
	case rate < 0.1:
		return "<0.1/s"
	case rate < 10:
		return fmt.Sprintf("%.1f/s", rate)
	default:
		return Count(int64(rate+0.5)) + "/s"
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

// OldestText returns the age of the oldest pending event; empty if none waits. Of a held feed it is known
// only since when this process has seen it.
func (f *Feed) OldestText() string {
	switch {
	case f.Oldest == 0:
		return ""
	case f.Held:
		return "at least " + f.Oldest.String()
	default:
		return f.Oldest.String()
	}
}

// ReadersText returns how many readers the feed has, and how many of them have problems.
func (f *Feed) ReadersText() string {
	if f.Late == 0 {
		return strconv.Itoa(f.Readers)
	}
	return fmt.Sprintf("%d, %d late", f.Readers, f.Late)
}

// StateText returns the state of the feed in a few words: of its own problems the worst, or else that of
// its readers.
func (f *Feed) StateText() string {
	switch {
	case f.Moved:
		return "moved"
	case f.Held:
		return "held"
	case worst(f.Problems) > 0:
		return string(levelOf(f.Problems))
	case f.Late > 0:
		return events(int64(f.Late), "reader late", "readers late")
	default:
		return "ok"
	}
}

// Level returns the level of the worst problem of the feed and its readers; empty if there is none.
func (f *Feed) Level() Level {
	if own := levelOf(f.Problems); levels[own] >= levels[f.late] {
		return own
	}
	return f.late
}

// IsBad reports whether the level is worse than a note.
func (l Level) IsBad() bool { return levels[l] > levels[Note] }

// SealedText returns how many of the feed's full pages are sealed.
func (f *Feed) SealedText() string {
	return Count(f.Archives) + " of " + Count(f.Archives+f.Unsealed)
}

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

// BehindText returns how many events the reader lacks.
func (r *Reader) BehindText() string {
	if r.Behind == nil {
		return "unknown"
	}
	return events(*r.Behind, "event", "events")
}

// OldestText returns how old the first event is that the reader has not fetched; empty if there is none.
func (r *Reader) OldestText() string {
	if r.behind() == 0 {
		return ""
	}
	return r.LagText() + " old"
}

// StateText returns what the reader does, and whether that is good.
func (r *Reader) StateText() string {
	switch r.State {
	case Waiting:
		return "up to date, waiting for new events"
	case CatchingUp:
		return r.catchingUpText()
	case Stuck:
		return "stuck for " + r.stuckFor.String() + ", still sends requests"
	case Silent:
		if r.Behind != nil && *r.Behind == 0 {
			return "up to date, silent for " + r.Away.String()
		}
		return "silent for " + r.Away.String()
	default:
		return r.followingText()
	}
}

func (r *Reader) catchingUpText() string {
	text := "catching up"
	if r.Page > 0 {
		text += fmt.Sprintf(", reads page %s of %s", Count(r.Page), Count(r.Pages))
	}
	if r.Rate > 0 {
		text += ", " + rateText(r.Rate)
	}
	if r.Left > 0 {
		text += ", " + r.Left.String() + " left"
	}
	return text
}

func (r *Reader) followingText() string {
	switch {
	case r.OtherHistory:
		return "has another history"
	case r.Behind == nil:
		return "has fetched nothing yet"
	case *r.Behind > 0 && r.Follows:
		return "new events since its last request, asks " + r.IntervalText()
	case *r.Behind > 0:
		return "new events since its last request"
	case r.Follows:
		return "up to date, asks " + r.IntervalText()
	default:
		return "up to date"
	}
}

// IntervalText returns how often the reader asks.
func (r *Reader) IntervalText() string {
	switch {
	case !r.Follows:
		return "not known yet"
	case time.Duration(r.Interval) < time.Second:
		return "all the time"
	default:
		return "about every " + r.Interval.String()
	}
}

// StatusText returns the HTTP status of its last answer.
func (r *Reader) StatusText() string {
	switch r.Status {
	case 0:
		return "none yet"
	case statusGone:
		return strconv.Itoa(r.Status) + ", it left before the answer"
	default:
		return strings.TrimSpace(strconv.Itoa(r.Status) + " " + http.StatusText(r.Status))
	}
}

// statusGone is the status of a request whose client has left, as package observe notes it.
const statusGone = 499

// SeenText returns when the reader was seen.
func (r *Reader) SeenText() string {
	if r.Away == 0 {
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
		return "feed " + p.Feed + " "
	default:
		return ""
	}
}

// Lead returns when and where to run Next, as the beginning of a sentence.
func (p *Problem) Lead() string {
	if p.If == "" {
		return "Next, " + p.Where
	}
	return p.If + ", " + p.Where
}

// FilterText returns which rows the tables show of a search.
func (v *View) FilterText() string {
	return fmt.Sprintf("The tables show only readers with “%.80s” in their name, program or feed, and feeds with it in their name or with such a reader.", v.Query.Search)
}

// NothingText says that there is no problem, of what the view is of.
func (v *View) NothingText() string {
	switch {
	case v.Query.Reader != "":
		return "nothing needs attention of this reader"
	case v.Query.Feed != "":
		return "nothing needs attention of this feed"
	default:
		return "nothing needs attention"
	}
}
