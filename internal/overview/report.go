// Package overview says how a server, its feeds and their readers are, what is wrong, and which
// command to run next. It is what the operations page shows, in each of its forms.
package overview

import (
	"time"
)

// Report is the state of a server, its feeds and their readers at a time.
type Report struct {
	Time     time.Time `json:"time"`
	Server   Server    `json:"server"`
	Problems []Problem `json:"problems"` // the worst first
	Feeds    []Feed    `json:"feeds"`    // those with problems first, then by name
	Readers  []Reader  `json:"readers"`  // those with problems first, then those that lack most events
}

// Server is the state of the server process.
type Server struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Ready    bool      `json:"ready"`
	NotReady string    `json:"not_ready,omitempty"` // why it is not ready
	Profiles bool      `json:"-"`
	Database Database  `json:"database"`
}

// Database is what is known of the server's database.
type Database struct {
	Up       bool      `json:"up"`
	Answered time.Time `json:"answered"`        // time of the last answer; zero if there was none
	Error    string    `json:"error,omitempty"` // of the last query
	DeadRows int64     `json:"pending_dead_rows"`
}

// Feed is the state of a feed, as the server has it in memory. Only Pending, Oldest, Refused and the
// start of the epoch are from the database's last answer, which is up to 10 seconds old.
type Feed struct {
	Name      string  `json:"name"`
	Position  int64   `json:"position"`  // last position assigned
	Published int64   `json:"published"` // last position that documents show
	Rate      float64 `json:"events_per_second"`
	Pending   int64   `json:"pending_events"`
	Oldest    Seconds `json:"oldest_pending_seconds"`
	Archives  int64   `json:"archives"`
	Unsealed  int64   `json:"unsealed_pages"`
	Held      bool    `json:"held"`
	Moved     bool    `json:"moved"`
	Refused   int64   `json:"refused_rows"`
	// RefusedFirst and RefusedLast are when the first and the last of them were refused.
	RefusedFirst time.Time `json:"first_refused,omitzero"`
	RefusedLast  time.Time `json:"last_refused,omitzero"`
	// RefusedReason is the most frequent reason.
	RefusedReason RefusedReason `json:"refused_reason,omitzero"`
	Epochs        int           `json:"epochs"`
	Epoch         Epoch         `json:"epoch"`
	Readers       int           `json:"readers"`
	Late          int           `json:"readers_with_problems"`
	Problems      []Problem     `json:"problems"`

	late Level // the worst level of its readers
}

// RefusedReason is the most frequent reason of a feed's refused rows.
type RefusedReason struct {
	Text  string `json:"text"`
	Rows  int64  `json:"rows"`  // how many of the first store.RefusedCompared rows have it
	First int64  `json:"first"` // number of the first of them
}

// Epoch is a feed's current epoch.
type Epoch struct {
	ID      string    `json:"id"`
	First   int64     `json:"first_position"`
	Started time.Time `json:"started"` // zero if the database has not answered yet
	Reason  string    `json:"reason"`
}

// Level is how bad a problem is: that of the alert for it in deploy/alerts.yaml.
type Level string

// The levels, the worst first. A note is no alert.
const (
	Critical Level = "critical"
	Warning  Level = "warning"
	Note     Level = "note"
)

var levels = map[Level]int{Critical: 3, Warning: 2, Note: 1}

// Problem is something that a person should look at.
type Problem struct {
	Level  Level  `json:"level"`
	Feed   string `json:"feed,omitempty"`
	Reader string `json:"reader,omitempty"`
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`  // an error, or where to look
	If     string `json:"if,omitempty"`   // what Next depends on; empty if it is to be done in any case
	Next   string `json:"next"`           // a command
	Does   string `json:"does,omitempty"` // what it does
	Where  string `json:"where"`          // on which host to run it
	Then   []Step `json:"then,omitempty"` // commands to run there after Next
}

// Step is a command, and what it does.
type Step struct {
	Command string `json:"command"`
	Does    string `json:"does"`
}

// worst returns the rank of the worst problem; 0 if there is none.
func worst(problems []Problem) (rank int) {
	for _, p := range problems {
		rank = max(rank, levels[p.Level])
	}
	return rank
}
