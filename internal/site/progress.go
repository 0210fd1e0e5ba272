package site

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// FeedProgress is how far a feed is exported.
type FeedProgress struct {
	Feed string
	Result
	Exported time.Time // when site and log were seen to be the same; zero before that
	Err      error     // of the last export, if it has failed
	earlier  Result    // what was written before this export
}

// Behind returns how many events the feed has and the site does not.
func (f *FeedProgress) Behind() int64 { return max(0, f.Head-f.Position) }

// Progress is how far an export is. It may be read at any time.
type Progress struct {
	mu      sync.Mutex
	feeds   map[string]FeedProgress
	err     error // of a round
	failing time.Time
	ready   bool // a feed, or all of no feeds, is exported
}

// Feeds returns how far the feeds are, ordered by name.
func (p *Progress) Feeds() []FeedProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.feeds), func(a, b FeedProgress) int { return strings.Compare(a.Feed, b.Feed) })
}

// Failing returns the error of the last try, and when the first one of an outage failed; nil if the last
// one succeeded.
func (p *Progress) Failing() (since time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failing, p.err
}

// Ready returns why nothing is exported yet, or nil.
func (p *Progress) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ready {
		return errNotYet
	}
	return nil
}

var errNotYet = errors.New("nothing was exported yet")

// begun notes that an export of a feed begins.
func (p *Progress) begun(name string) {
	p.change(name, func(f *FeedProgress) { f.earlier = f.Result })
}

// writing notes what an export has written so far.
func (p *Progress) writing(name string, r *Result) {
	p.change(name, func(f *FeedProgress) {
		f.Head, f.Written, f.Bytes = r.Head, f.earlier.Written+r.Written, f.earlier.Bytes+r.Bytes
	})
}

// exported notes that a feed is exported.
func (p *Progress) exported(name string, r *Result) {
	p.writing(name, r)
	p.change(name, func(f *FeedProgress) {
		written, size := f.Written, f.Bytes
		f.Result, f.Exported, f.Err = *r, time.Now(), nil
		f.Written, f.Bytes = written, size
	})
	p.succeeded()
}

// succeeded notes that a round has ended without an error.
func (p *Progress) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.failing, p.ready = nil, time.Time{}, true
}

// current notes that a feed has not changed since it was exported.
func (p *Progress) current(name string) {
	p.change(name, func(f *FeedProgress) { f.Exported, f.Err = time.Now(), nil })
}

// behind notes the last position of the log; 0 if it was not read.
func (p *Progress) behind(name string, head int64) {
	p.change(name, func(f *FeedProgress) { f.Head = max(f.Head, head) })
}

// failed notes an error, and returns it. Without a name it is of all feeds.
func (p *Progress) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	p.mu.Lock()
	if p.err = err; p.failing.IsZero() {
		p.failing = time.Now()
	}
	p.mu.Unlock()
	if name != "" {
		p.change(name, func(f *FeedProgress) { f.Err = err })
	}
	return err
}

// change changes what is known of a feed.
func (p *Progress) change(name string, how func(*FeedProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.feeds[name]
	f.Feed = name
	how(&f)
	if p.feeds == nil {
		p.feeds = make(map[string]FeedProgress)
	}
	p.feeds[name] = f
}
