package html

import (
	"strings"
	"time"
)

// Seeder is the state of a run of the seeder. Its page shows it, and its JSON is this struct.
// Fields without a key are the same in words, for people. No URL and no text in it holds a
// password.
type Seeder struct {
	Consumer  string        `json:"consumer"`
	Target    string        `json:"target"` // its URL
	Sink      string        `json:"sink"`
	SinkWords string        `json:"-"`
	Version   string        `json:"version"`
	Process   SeederProcess `json:"process"`
	Started   time.Time     `json:"started"`
	Now       time.Time     `json:"now"` // when this was put together
	Running   string        `json:"-"`
	DryRun    bool          `json:"dry_run"`

	State    string          `json:"state"` // one of the SeederState constants
	Sentence string          `json:"sentence"`
	Troubles []SeederTrouble `json:"troubles"`

	Feeds        []SeederFeed      `json:"feeds"`
	Events       SeederEvents      `json:"events"`
	Parked       SeederParked      `json:"parked"`
	Unmatched    []SeederUnmatched `json:"unmatched"`
	Types        []SeederType      `json:"types"`         // the most frequent ones first
	MoreTypes    int               `json:"more_types"`    // number of types that are not listed
	SkippedTypes int               `json:"skipped_types"` // number of types for which the projection has no block
	Rebuild      string            `json:"rebuild"`       // the command that fills a new copy after the projection got the missing blocks; empty if none is missing
	RebuildNote  string            `json:"rebuild_note"`  // what Rebuild lacks because it may be secret
	Took         []SeederTime      `json:"took"`          // parts of the time since the start, which do not overlap
	InParallel   []SeederTime      `json:"in_parallel"`
	Paths        []string          `json:"paths"` // of the same listener
}

// SeederProcess is where a run is, and its commands are to be run.
type SeederProcess struct {
	ID        int    `json:"id"`
	Host      string `json:"host"`      // empty if it is unknown
	Directory string `json:"directory"` // in which relative paths of commands start; empty if it is unknown
}

// The states of a run.
const (
	SeederStarting  = "starting"  // nothing was read yet
	SeederSeeding   = "seeding"   // the history is being applied
	SeederFollowing = "following" // the history is applied
	SeederWaiting   = "waiting"   // for a server or the target, which is unavailable
	SeederHeld      = "held"      // another seeder holds the consumer
)

// SeederTrouble is something that keeps a run from applying events, or makes it late.
type SeederTrouble struct {
	Kind    string    `json:"kind"`  // server, target, held or lag
	About   string    `json:"about"` // scheme and host of the server, or the feed's name; else empty
	What    string    `json:"what"`
	Since   time.Time `json:"since"`
	Lasts   string    `json:"-"`
	Error   string    `json:"error"`
	Advice  string    `json:"advice"`
	Command string    `json:"command"` // the next command
}

// SeederFeed is the state of a run in one feed.
type SeederFeed struct {
	Name     string   `json:"name"` // empty before the feed was read
	ID       string   `json:"id"`
	URL      string   `json:"url"`
	Epoch    string   `json:"epoch"`
	Position int64    `json:"position"`
	Head     int64    `json:"head"`     // position of the feed's last event that the run knows of
	Percent  *float64 `json:"percent"`  // how much of the feed the run has done; null if the feed is empty
	Applied  int64    `json:"applied"`  // by this run, without the skipped ones
	Recent   float64  `json:"recent"`   // events a second, in the last ten seconds
	Average  float64  `json:"average"`  // events a second, in the time in which there was something to apply; 0 if that was too short
	Left     *float64 `json:"left"`     // seconds until the last event is applied; null if unknown
	Lag      int64    `json:"lag"`      // events that are known and not applied
	LagTime  float64  `json:"lag_time"` // seconds for which the oldest of these has been known
	Parked   int64    `json:"parked"`   // in the target
	Empty    string   `json:"empty"`    // why the feed shows no event, if it shows none

	Done, Rate, AverageRate, LeftTime, LagWords string `json:"-"`
}

// SeederEvents counts the events of a run.
type SeederEvents struct {
	Applied    int64 `json:"applied"` // without the skipped ones
	Skipped    int64 `json:"skipped"` // the projection has no block for their types
	LeftOut    int64 `json:"left_out"`
	SameID     int64 `json:"same_id"`
	Parked     int64 `json:"parked"`      // by this run
	OldAnswers int64 `json:"old_answers"` // of servers or caches that showed less than before
	Unroutable int64 `json:"unroutable"`  // published, and gone to no queue of the broker
}

// SeederType counts the events of a type in a run.
type SeederType struct {
	Type    string `json:"type"`
	Applied int64  `json:"applied"` // without the skipped ones
	Skipped int64  `json:"skipped"`
	Parked  int64  `json:"parked"`
}

// SeederTime is what a run spent on an activity.
type SeederTime struct {
	On      string  `json:"on"`
	Seconds float64 `json:"seconds"`
	Meaning string  `json:"meaning"`
	Time    string  `json:"-"`
	Share   string  `json:"-"`
}

// SeederParked is what is parked in the target.
type SeederParked struct {
	Events       int64               `json:"events"`          // in all
	FailedEvents int64               `json:"failed_events"`   // that failed themselves; the others wait for these
	MoreFailed   bool                `json:"more_failed"`     // FailedEvents is not all, but as many as are counted
	Entities     int64               `json:"failed_entities"` // of the FailedEvents; events without a subject have none
	Errors       []SeederError       `json:"errors"`          // of the FailedEvents, the most frequent ones
	MoreErrors   int64               `json:"more_errors"`     // number of errors that are not listed
	Failed       []SeederParkedEvent `json:"failed"`          // the first of the FailedEvents, by feed and position
	More         bool                `json:"more"`            // more have failed
	Read         *time.Time          `json:"read"`            // when the target was asked for what failed; null if it was not
	Error        string              `json:"error"`           // why it is not known what failed, or is as old as Read
	Steps        []SeederStep        `json:"steps"`           // that apply what is parked; none in a dry run
	Inspect      string              `json:"inspect"`
	Retry        string              `json:"retry"`
}

// SeederError is an error, and the number of events that failed with it.
type SeederError struct {
	Error   string        `json:"error"`
	Events  int64         `json:"events"`
	Example SeederExample `json:"example"` // the first of them by feed and position
}

// SeederExample is an event that failed.
type SeederExample struct {
	Feed     string `json:"feed"`
	Position int64  `json:"position"`
	Type     string `json:"type"`
	Subject  string `json:"subject"`
	Data     string `json:"data"`   // the beginning of its data; empty if it has none or IsLong
	IsLong   bool   `json:"long"`   // the event is too long to be read for an example
	Detail   string `json:"detail"` // what the database says of this event alone
}

// SeederStep is a step to apply parked events. A step without a command has none that is the same
// everywhere.
type SeederStep struct {
	Do        string `json:"do"`
	Command   string `json:"command"`
	Or        string `json:"or"` // when to run OrCommand instead
	OrCommand string `json:"or_command"`
	Note      string `json:"note"`
}

// SeederParkedEvent is a parked event that failed.
type SeederParkedEvent struct {
	Feed     string    `json:"feed"`
	Position int64     `json:"position"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Subject  string    `json:"subject"`
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
	Inspect  string    `json:"inspect"` // the command that lists the parked events of its entity
	Retry    string    `json:"retry"`   // the command that retries them
}

// SeederUnmatched is a block of a projection that matched no event.
type SeederUnmatched struct {
	Place  string `json:"place"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Meant  string `json:"meant"` // the type that it may be meant for; empty if none is close
}

// shownFirst is how many rows of a long list a seeder's page shows; the others are folded.
const shownFirst = 10

// First returns the rows that the page shows.
func (p SeederParked) First() []SeederParkedEvent { return p.Failed[:min(len(p.Failed), shownFirst)] }

// Folded returns the rows that the page folds.
func (p SeederParked) Folded() []SeederParkedEvent { return p.Failed[len(p.First()):] }

// FirstTypes returns the types that the page shows.
func (s *Seeder) FirstTypes() []SeederType { return s.Types[:min(len(s.Types), shownFirst)] }

// FoldedTypes returns the types that the page folds.
func (s *Seeder) FoldedTypes() []SeederType { return s.Types[len(s.FirstTypes()):] }

// IsSplit reports whether it is known how many of the parked events have failed.
func (p SeederParked) IsSplit() bool {
	return p.Read != nil && p.Error == "" && p.FailedEvents > 0 && p.FailedEvents <= p.Events
}

// Split says how many of the parked events failed, and how many wait for these.
func (p SeederParked) Split() string {
	waiting := p.Events - p.FailedEvents
	switch {
	case !p.IsSplit():
		return "each failed, or waits for an earlier event of the same entity that failed"
	case p.MoreFailed:
		return "more than " + count(p.FailedEvents) + " failed, and others wait for them"
	case waiting == 0 && p.Events == 1:
		return "it failed"
	case waiting == 0:
		return "each of them failed"
	case p.FailedEvents == 1:
		return count(p.FailedEvents) + " failed, and " + numbered(waiting, "later event of the same entity waits", "later events of the same entity wait") + " for it"
	default:
		return count(p.FailedEvents) + " failed, and " + numbered(waiting, "later event of the same entities waits", "later events of the same entities wait") + " for them"
	}
}

// Words says how many events are parked, and why.
func (p SeederParked) Words() string {
	return numbered(p.Events, "event is", "events are") + " parked: " + p.Split() + "."
}

// Listed says which of the failed events a list has that shows a number of them.
func (p SeederParked) Listed(shown int) string {
	switch {
	case p.MoreFailed:
		return "The first " + count(int64(shown)) + " of more than " + count(p.FailedEvents) + ", by feed and position"
	case p.FailedEvents > int64(shown):
		return "The first " + count(int64(shown)) + " of " + count(p.FailedEvents) + ", by feed and position"
	default:
		return "By feed and position"
	}
}

// All says what the command lists that lists all parked events.
func (p SeederParked) All() string {
	if p.Events == 1 {
		return "List the parked event"
	}
	return "List all " + count(p.Events) + " parked events, those that failed and those that wait"
}

// SkippedWords says how many types and events the projection skips, and what that means.
func (s *Seeder) SkippedWords() string {
	if s.SkippedTypes == 0 {
		return ""
	}
	types, them := "1 type has", "it"
	if s.SkippedTypes > 1 {
		types, them = count(int64(s.SkippedTypes))+" types have", "them"
	}
	return types + " no block (-- on TYPE) in the projection, so " + numbered(s.Events.Skipped, "event was", "events were") +
		" skipped. If the projection does not need " + them + ", nothing is missing."
}

func numbered(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// errorLine shortens an error in the middle to one line of at most n characters. It leaves out what
// PostgreSQL says after the SQLSTATE, such as the row that failed.
func errorLine(n int, text string) string {
	if before, after, has := strings.Cut(text, "(SQLSTATE "); has {
		state, _, _ := strings.Cut(after, ")")
		text = before + "(SQLSTATE " + state + ")"
	}
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= n {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:n/3])) + " … " + strings.TrimSpace(string(runes[len(runes)-(n-n/3-3):]))
}

// words splits a command at its spaces, so that its flags can be kept from being broken.
func words(command string) []string { return strings.Split(command, " ") }

// figure is a number in a table, with the name of its column, which a phone shows beside it.
type figure struct{ Name, Text string }

func newFigure(name, text string) figure { return figure{name, text} }

var seederTemplate = parse("seeder.html")

// SeederPage renders the page of a run of the seeder.
func SeederPage(s *Seeder) ([]byte, error) {
	return render(seederTemplate, page{
		Title: "Seeder, consumer " + s.Consumer, Root: "./", Content: s,
		Alternates: []link{{"./?format=json", "JSON", "application/json"}, {"./?format=text", "Plain text", "text/plain"}},
	})
}
