package store

import "time"

// clockSkew is more than the clocks of a log's machines differ.
const clockSkew = time.Hour

// modify sets the feed's Modified to a later time, before each save of its row. Documents have it
// as Last-Modified, so no two versions may have the same. It grows by at least a second, even if a
// commit was late or a clock went back. In a feed that changes more than once a second it runs
// ahead of the clock, and documents have no Last-Modified until the clock has reached it.
//
// If history may have lost its end, versions were served that nobody knows any more. Their times
// were in the past by the clocks of that time, so a new epoch adds more than clocks differ.
func (f *Feed) modify() {
	f.Modified = f.Modified.Add(time.Second)
	if now := time.Now().UTC().Truncate(time.Second); now.After(f.Modified) {
		f.Modified = now
	}
}
