package store

import "time"

// PendingCounted is the number up to which [Stats] counts a feed's pending events, so that a long
// queue costs no more than a short one.
const PendingCounted = 10_000

// RefusedCompared is the number of a feed's refused rows, the first ones, among which [Stats] looks for
// the most frequent reason.
const RefusedCompared = 1000

// Stats is the state of a log's feeds, for monitoring.
type Stats struct {
	Feeds []FeedStats // by name
	// DeadPending estimates the deleted rows of the queue that vacuum has not removed. It is
	// 0 in SQLite, which leaves none.
	DeadPending int64
}

// FeedStats is the state of one feed.
type FeedStats struct {
	Name     string
	Held     bool
	Position int64 // last position assigned
	Archives int64 // number of sealed pages
	Unsealed int64 // pages that are closed and not sealed yet
	Pending  int64 // events without a position, counted up to PendingCounted
	Oldest   int64 // insertion number of the first pending event; 0 if there is none
	Refused  int64 // refused rows, see RefusedRow, counted up to PendingCounted

	// When the first and the last of the refused rows were refused; zero if there are none.
	RefusedFirst, RefusedLast time.Time
	// RefusedReason is the most frequent reason of the refused rows; zero if there are none.
	RefusedReason RefusedReason

	EpochStarted time.Time // when the current epoch started
	EpochReason  string    // why
}

// RefusedReason is a reason that several refused rows may have.
type RefusedReason struct {
	Text  string // cut after 500 characters
	Rows  int64  // how many of the first RefusedCompared rows have it
	First int64  // number of the first row that has it
}
