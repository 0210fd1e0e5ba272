package overview

import (
	"fmt"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
)

// The limits from which on something is a problem. Where an alert of deploy/alerts.yaml has the same
// cause, it fires later.
const (
	PendingWarning  = 10 * time.Second
	PendingCritical = time.Minute // as EventfeedEventsWait
	UnsealedWarning = 10 * time.Second
	StuckAfter      = time.Minute     // for a reader that asks and does not get forward
	ReaderLag       = 5 * time.Minute // as EventfeedReaderBehind, for a reader of which it is not known how often it asks
	DeadRows        = 2_000_000       // as EventfeedDeadRows
)

// Where a command is to be run.
const (
	here     = "on this host"
	consumer = "on the consumer's host"
	psql     = "in psql, on the feeds' database"
)

func notServing(why string) Problem {
	return Problem{
		Level: Warning, What: "This server does not serve yet.", Why: "It is " + why + ". If this lasts, its log says what it waits for.",
		Next: "feedserver list", Where: here,
	}
}

func serverProblems(s *Server, now time.Time) (all []Problem) {
	if !s.Database.Up {
		what := "The database has not answered yet."
		if !s.Database.Answered.IsZero() {
			what = fmt.Sprintf("The database has not answered for %s. This page shows the last known state.", Seconds(now.Sub(s.Database.Answered)))
		}
		all = append(all, Problem{Level: Critical, What: what, Why: s.Database.Error, Next: "feedserver list", Where: here})
	}
	if s.Database.Up && s.Database.Error != "" {
		what := "The query for the pending events and refused rows of the feeds took too long. The database answers others."
		if !s.Database.Answered.IsZero() {
			what += fmt.Sprintf(" This page shows these numbers as they were %s ago.", Seconds(now.Sub(s.Database.Answered)))
		}
		all = append(all, Problem{Level: Warning, What: what, Why: s.Database.Error, Next: "feedserver list", Where: here})
	}
	if s.Database.DeadRows > DeadRows {
		all = append(all, Problem{
			Level: Warning, What: fmt.Sprintf("The table pending has %s dead rows: something keeps vacuum from it, and positions are assigned more slowly.", Count(s.Database.DeadRows)),
			Next:  "SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xmin IS NOT NULL ORDER BY age(backend_xmin) DESC LIMIT 3;",
			Where: psql,
		})
	}
	return all
}

// feedProblems returns what is wrong with a feed. sequencing and sealing are the errors of its last
// steps, as far as this server has tried them.
func feedProblems(f *Feed, unsealed time.Duration, sequencing, sealing string) (all []Problem) {
	all = []Problem{}
	add := func(level Level, what, why, next string) {
		all = append(all, Problem{Level: level, Feed: f.Name, What: what, Why: clip(why), Next: next, Where: here})
	}
	oldest := time.Duration(f.Oldest)
	switch {
	case f.Moved:
		add(Critical, "was written on another database than this one, and no epoch has begun on this one yet. Requests get 503.", "", "feedserver new-epoch "+f.Name)
	case f.Held:
		what := "is held."
		if f.Pending > 0 {
			what = fmt.Sprintf("is held, and %s%s.", numbered(f.Pending, f.PendingText(), "event waits", "events wait"), f.oldestClause())
		}
		add(Note, what, "Readers get its events once it is opened. It may be held on purpose.", "feedserver open "+f.Name)
		all[0].If = "If its events shall be published now"
	case sequencing != "" || oldest > PendingWarning:
		level, what := Warning, fmt.Sprintf("has %s%s, which readers do not get.", numbered(f.Pending, f.PendingText(), "pending event", "pending events"), f.oldestClause())
		if oldest > PendingCritical {
			level = Critical
		}
		why := "Look for “cannot assign positions to events, retrying” in the logs of all feedserver processes of this database."
		if sequencing != "" {
			why = "cannot assign positions to events, retrying: " + sequencing
		}
		add(level, what, why, "feedserver list")
	}
	if sealing != "" || f.Unsealed > 0 && unsealed > UnsealedWarning {
		why := "Look for “cannot seal pages, retrying” in the logs of all feedserver processes of this database."
		if sealing != "" {
			why = "cannot seal pages, retrying: " + sealing
		}
		add(Warning, fmt.Sprintf("has %s not sealed. Readers do not get the events after position %s.", events(f.Unsealed, "full page that is", "full pages that are"), Count(f.Published)), why, "feedserver list")
	}
	if f.Refused > 0 {
		all = append(all, refusedProblem(f))
	}
	return all
}

func refusedProblem(f *Feed) Problem {
	what := fmt.Sprintf("lacks %s", numbered(f.Refused, f.RefusedText(), "row that was refused", "rows that were refused"))
	switch {
	case f.RefusedFirst.IsZero():
	case stamp(f.RefusedFirst) == stamp(f.RefusedLast):
		what += " at " + stamp(f.RefusedFirst)
	default:
		what += fmt.Sprintf(", the first at %s, the last at %s", stamp(f.RefusedFirst), stamp(f.RefusedLast))
	}
	row := "NUMBER"
	if f.RefusedReason.First > 0 {
		row = strconv.FormatInt(f.RefusedReason.First, 10)
	}
	command := "feedserver refused " + f.Name
	return Problem{
		Level: Warning, Feed: f.Name, What: what + ". So do its consumers.",
		Why:  f.refusedReason() + "The service's database committed these rows, and a trigger on their table could not append them to the feed.",
		Next: command, Does: "lists the rows with their numbers and reasons.", Where: here,
		Then: []Step{
			{command + " --show " + row + " > row.json", "writes row " + row + " to a file. Correct the event there."},
			{command + " --append " + row + " < row.json", "appends the corrected event to the feed, and removes the row."},
			{command + " --discard " + row, "removes the row instead, if no consumer needs it."},
		},
	}
}

// refusedReason returns the most frequent reason of the refused rows as a sentence; empty if none is known.
func (f *Feed) refusedReason() string {
	r := &f.RefusedReason
	switch {
	case r.Rows == 0:
		return ""
	case f.Refused > store.RefusedCompared:
		return fmt.Sprintf("%s of the first %s rows: %s. ", Count(r.Rows), Count(store.RefusedCompared), r.Text)
	case r.Rows < f.Refused:
		return fmt.Sprintf("%s of them: %s. ", Count(r.Rows), r.Text)
	default:
		return fmt.Sprintf("Reason: %s. ", r.Text)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// oldestClause returns how long the oldest pending event has waited, as a part of a sentence.
func (f *Feed) oldestClause() string {
	if oldest := f.OldestText(); oldest != "" {
		return ", the oldest for " + oldest
	}
	return ""
}

// readerProblems returns what is wrong with a reader. One without a name may come and go: it is a note at
// most, and only if it followed the feed.
func readerProblems(r *Reader) []Problem {
	p := Problem{Level: Warning, Feed: r.Feed, Reader: r.Name, Next: "seeder status --into URL", Does: "shows what the consumer has applied. Replace URL with the --into of that seeder: this server does not know it.", Where: r.consumersHost()}
	switch {
	case r.OtherHistory:
		p.What = "has events that the feed does not have: the feed was restored, or its database failed over."
		p.Why = "A seeder that has applied such events stops with status 3, and prints the command with which to go back."
	case r.behind() == 0:
		return []Problem{}
	case r.State == Silent && (r.Follows || time.Duration(r.Lag) >= ReaderLag):
		p.What = fmt.Sprintf("is %s behind, and has sent no request for %s%s. Is it running?", events(r.behind(), "event", "events"), r.Away, r.usually())
		p.Why = r.lagSentence() + r.whySilent()
	case r.State == Stuck:
		p.What = fmt.Sprintf("is %s behind, and has been stuck at position %s for %s, although it sends requests.", events(r.behind(), "event", "events"), r.PositionText(), r.stuckFor)
		p.Why = r.lagSentence() + " Its target may reject the next event, or be away."
	case r.State == CatchingUp && time.Duration(r.Lag) >= ReaderLag:
		return r.catchingUpProblems(p)
	default:
		return []Problem{}
	}
	if r.Kind == readers.Address {
		p.Level = Note
		if r.State == Silent && !r.Follows && !r.OtherHistory {
			return []Problem{}
		}
	}
	return []Problem{p}
}

// consumersHost says on which host to run a command for the reader. Its address may be that of a proxy or a
// gateway.
func (r *Reader) consumersHost() string {
	if r.Address == "" {
		return consumer
	}
	return consumer + " (its last request came from " + r.Address + ")"
}

// whySilent says what may be the cause if a reader sends no request.
func (r *Reader) whySilent() string {
	why := " Either its seeder does not run or cannot reach this server, or it is busy with what it has fetched."
	if r.Status == statusGone {
		why = " It closed its last connection before the answer: probably it was stopped, or was cut off."
	}
	return why
}

// catchingUpProblems returns a note of a reader for which EventfeedReaderBehind fires although it gets
// forward, and a warning if it gets forward too slowly.
func (r *Reader) catchingUpProblems(p Problem) []Problem {
	if r.Kind == readers.Address {
		return []Problem{}
	}
	p.What = fmt.Sprintf("is %s behind and %s.", events(r.behind(), "event", "events"), r.StateText())
	p.Why = r.lagSentence()
	if r.Rate > 0 && r.Rate <= r.feedRate {
		p.What = fmt.Sprintf("is %s behind and does not catch up: it gets %s, and the feed %s.", events(r.behind(), "event", "events"), rateText(r.Rate), rateText(r.feedRate))
		return []Problem{p}
	}
	p.Level, p.If = Note, "If it takes longer than you expect"
	return []Problem{p}
}

// usually returns how often the reader sent requests before, as a part of a sentence.
func (r *Reader) usually() string {
	switch {
	case !r.Follows:
		return ""
	case time.Duration(r.Interval) < time.Second:
		return " (before that it waited for new events without a break)"
	default:
		return fmt.Sprintf(" (before that about every %s)", r.Interval)
	}
}

func (r *Reader) lagSentence() string {
	return fmt.Sprintf("The oldest event that it has not fetched is %s old.", r.LagText())
}

func events(n int64, one, many string) string { return numbered(n, Count(n), one, many) }

func numbered(n int64, text, one, many string) string {
	if n == 1 {
		return text + " " + one
	}
	return text + " " + many
}
