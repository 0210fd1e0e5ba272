package store

// PendingCounted is how far a feed's pending events are counted for [Stats], so
// that a look at a long queue costs no more than one at a short one.
const PendingCounted = 10_000

// Stats is how the feeds of a log stand, for whoever watches them.
type Stats struct {
	Feeds []FeedStats // by name
	// DeadPending estimates the deleted rows of the queue that vacuum has not
	// cleaned up: 0 in SQLite, which leaves none.
	DeadPending int64
}

// FeedStats is how one feed stands.
type FeedStats struct {
	Name     string
	Held     bool
	Position int64 // last one given
	Archives int64 // number of sealed pages
	Unsealed int64 // pages that are closed and not sealed yet
	Pending  int64 // events without a position, counted up to PendingCounted
	Oldest   int64 // insertion number of the first of those, 0 if there is none
	Refused  int64 // rows that make no event, see RefusedRow, counted up to PendingCounted
}
