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
}

// Behind returns how many events the feed has and the site does not.
func (f *FeedProgress) Behind() int64 { return max(0, f.Head-f.Position) }

// Progress is how far an export is. It may be read at any time.
type Progress struct {
	mu      sync.Mutex
	feeds   map[string]FeedProgress
	err     error // of a round
	failing time.Time
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
	for _, f := range p.feeds {
		if !f.Exported.IsZero() {
			return nil
		}
	}
	return errNotYet
}

var errNotYet = errors.New("nothing was exported yet")

// succeeded notes that a round has ended without an error.
func (p *Progress) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.failing = nil, time.Time{}
}

// exported notes that a feed is exported.
func (p *Progress) exported(name string, r *Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.feeds[name]
	now := FeedProgress{Feed: name, Result: *r, Exported: time.Now()}
	now.Written, now.Bytes = now.Written+was.Written, now.Bytes+was.Bytes
	p.put(now)
	p.err, p.failing = nil, time.Time{}
}

// current notes that a feed has not changed since it was exported.
func (p *Progress) current(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, is := p.feeds[name]; is {
		f.Exported, f.Err = time.Now(), nil
		p.put(f)
	}
}

// behind notes the last position of the log; 0 if it was not read.
func (p *Progress) behind(name string, head int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.feeds[name]
	f.Feed, f.Head = name, max(f.Head, head)
	p.put(f)
}

// failed notes an error, and returns it. Without a name it is of all feeds.
func (p *Progress) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err = err; p.failing.IsZero() {
		p.failing = time.Now()
	}
	if name != "" {
		f := p.feeds[name]
		f.Feed, f.Err = name, err
		p.put(f)
	}
	return err
}

func (p *Progress) put(f FeedProgress) {
	if p.feeds == nil {
		p.feeds = make(map[string]FeedProgress)
	}
	p.feeds[f.Feed] = f
}
