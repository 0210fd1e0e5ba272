package store

import "time"

// clockSkew is more than the clocks of the machines of a log differ.
const clockSkew = time.Hour

// modify gives the feed another Modified, with each change that its row is saved
// for. It is what documents have as Last-Modified, so no two versions may have the
// same: it goes on by a second at least, however late a commit was, and also where
// a clock went back. In a feed that changes more than once a second it runs ahead of
// the clock, and no document has a Last-Modified until the clock is there.
//
// Where history may have lost its end, versions were served that are not known any
// more. Their times were in the past by the clocks of then, so a new epoch jumps
// ahead by more than clocks differ.
func (f *Feed) modify() {
	f.Modified = f.Modified.Add(time.Second)
	if now := time.Now().UTC().Truncate(time.Second); now.After(f.Modified) {
		f.Modified = now
	}
}
