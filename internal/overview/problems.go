package overview

import (
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/readers"
)

// The limits from which on something is a problem. Where an alert of deploy/alerts.yaml has the same
// cause, it fires later.
const (
	PendingWarning  = 10 * time.Second
	PendingCritical = time.Minute // as EventfeedEventsWait
	UnsealedWarning = 10 * time.Second
	ReaderLag       = 5 * time.Minute // as EventfeedReaderBehind
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
		add(Critical, "the database is another one than this history was written on, and no epoch has begun on it yet. Requests get 503.", "", "feedserver new-epoch "+f.Name)
	case f.Held:
		add(Note, fmt.Sprintf("held: %s pending until it is opened.", numbered(f.Pending, f.PendingText(), "event is", "events are")), "", "feedserver open "+f.Name)
	case sequencing != "" || oldest > PendingWarning:
		level, what := Warning, fmt.Sprintf("%s pending, the oldest for %s: readers do not get them.", numbered(f.Pending, f.PendingText(), "event is", "events are"), f.Oldest)
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
		add(Warning, fmt.Sprintf("%s full and not sealed: readers do not get the events after position %s.", events(f.Unsealed, "page is", "pages are"), Count(f.Published)), why, "feedserver list")
	}
	if f.Refused > 0 {
		add(Warning, fmt.Sprintf("%s refused: consumers lack them.", numbered(f.Refused, f.RefusedText(), "row was", "rows were")), "", "feedserver refused "+f.Name)
	}
	return all
}

// readerProblems returns what is wrong with a reader. One that asks at long intervals lacks events in
// between, which is as its owner wants it.
func readerProblems(r *Reader, interval time.Duration) []Problem {
	p := Problem{Level: Warning, Feed: r.Feed, Reader: r.Name, Next: "seeder status --into URL", Where: consumer}
	switch {
	case r.OtherHistory:
		p.What = "has events that the feed does not have: the feed was restored, or its database failed over."
		p.Why = "A seeder that has applied such events stops with status 3, and prints the command with which to go back."
	case r.State == Reading || r.State == Waiting:
		return []Problem{}
	case time.Duration(r.Lag) < ReaderLag || time.Duration(r.Away) < min(2*interval, readers.Forgotten):
		return []Problem{}
	default:
		p.What = fmt.Sprintf("has not fetched %s, the oldest for %s. Its last request was %s ago.", events(r.behind(), "event", "events"), r.LagText(), r.Away)
		p.Why = "Either its seeder does not run or cannot reach this server, or it is busy with what it has fetched."
	}
	return []Problem{p}
}

func events(n int64, one, many string) string { return numbered(n, Count(n), one, many) }

func numbered(n int64, text, one, many string) string {
	if n == 1 {
		return text + " " + one
	}
	return text + " " + many
}
