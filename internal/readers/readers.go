// Package readers keeps in memory who reads the feeds of this server process, up to which position,
// and when they were last seen. A conditional request has the reader's position in its ETag, so
// nobody has to register and no protocol is needed.
//
// What the list knows has three limits. It begins with the process, and has a limited number of entries:
// [Limit] and [NamedLimit].
// A fetched position is not an applied one. A cache that readers share appears in their place.
package readers

import (
	"cmp"
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// Away is the time after which a reader that has sent no request counts as silent, unless more is
	// known of how often it sends some, see [Reader.SilentAfter].
	Away = 5 * time.Minute
	// Forgotten is the time after which a reader that has sent no request is left out.
	Forgotten = 7 * 24 * time.Hour
	// readingFor is the time that an archive counts as being read after its request: a seeder fetches
	// several, and is busy with them for a while.
	readingFor = Away
)

// The maximum length of names and user agents, in bytes.
const (
	maxName  = 64
	maxAgent = 80
)

// Kind is what a reader's name comes from.
type Kind string

// The kinds of names.
const (
	Token       Kind = "token"       // the name of an access token
	Certificate Kind = "certificate" // the common name of a client certificate
	Address     Kind = "address"     // a client's address, without its port
)

// Identity is who reads a feed.
type Identity struct {
	Feed string
	Kind Kind
	Name string
}

// key identifies an entry. Readers at one address are told apart by their programs; a token or a
// certificate is one reader, whatever programs use it.
type key struct {
	Identity
	program string
}

// List is the list of readers. It is safe for concurrent use. A nil List keeps nothing.
type List struct {
	now func() time.Time // nil means time.Now; tests set it

	mu      sync.Mutex
	entries map[key]*entry
	owners  map[ownerKey]*owner
	number  int64 // number of the last entry

	named, addresses class
}

// Reader is what is known of one reader of one feed.
type Reader struct {
	Identity
	Number int64     // entries are numbered as they are made
	Agent  string    // the User-Agent of its last request, shortened
	First  time.Time // time of its first request
	Seen   time.Time // time of its last request, or of the last part of a stream that it took
	// Interval is how long it usually sends nothing before it asks for the subscription document again:
	// 0 if it long-polls without a break, or if it has not asked twice.
	Interval time.Duration
	// Follows reports that it has waited for events, or has asked again and again for a minute.
	Follows bool
	Address string // of its last request; empty if that is unknown
	Status  int    // HTTP status of its last answer; 0 if there was none yet
	// Moved is when Position changed last, and Requests how many it has sent since.
	Moved    time.Time
	Requests int
	// Repeats is how often, since RepeatsSince, it has asked for the events after the same position
	// although it was given them.
	Repeats      int
	RepeatsSince time.Time
	// Rate is how many events a second it gets, on average over half a minute or more; 0 if that is
	// unknown, or nothing.
	Rate float64
	// Waiting is the number of its open long polls and streams.
	Waiting int
	// Epoch and Position are the end of the last document that it has got or has named by an ETag.
	// Epoch is empty while that is unknown.
	Epoch    string
	Position int64
	// OtherHistory reports that its last ETag is of a history that the feed does not have.
	OtherHistory bool
	// Page is the number of the archive that it reads; 0 if it reads none.
	Page int64
}

type entry struct {
	Reader
	asked time.Time // for the subscription document
	paged time.Time // when Page was requested
	agent string    // what Agent was made of
	pace  pace
	ascent
	named int64 // position that it named when it got an answer last; 0 if it named none, or had all

	walk        walk
	hasFollowed bool // it has had the subscription document

	key              key
	class            *class // nil while it is not in the list
	owner            *owner
	inClass, inOwner *list.Element // nil while it waits
}

// Visit is one request of a reader. The zero Visit does nothing.
type Visit struct {
	list  *List
	entry *entry
	pause time.Duration // for which the reader had sent nothing
}

// Visit notes a request that was admitted.
func (l *List) Visit(id Identity, agent string) Visit {
	if l == nil {
		return Visit{}
	}
	k := key{Identity: id}
	k.Name = clean(id.Name, maxName)
	if id.Kind == Address {
		k.program = programOf(agent)
	}
	now := l.time()
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[k]
	if e == nil {
		e = l.add(k, now)
	} else {
		l.touch(e)
	}
	v := Visit{list: l, entry: e}
	if e.Waiting == 0 && !e.Seen.IsZero() {
		v.pause = now.Sub(e.Seen)
	}
	e.Seen = now
	if agent = clip(agent, maxAgent); e.agent != agent {
		e.agent = strings.Clone(agent)
		e.Agent = clean(e.agent, maxAgent)
	}
	return v
}

// From notes the address that the request came from.
func (v Visit) From(address string) {
	v.note(func(e *entry, _ time.Time) {
		if address = clip(address, maxName); e.Address != address {
			e.Address = clean(strings.Clone(address), maxName)
		}
	})
}

// Answered notes the HTTP status of the answer.
func (v Visit) Answered(status int) { v.note(func(e *entry, _ time.Time) { e.Status = status }) }

// add makes an entry.
func (l *List) add(k key, now time.Time) *entry {
	// The request's own memory is larger than these parts of it.
	k.Feed, k.Name, k.program = strings.Clone(k.Feed), strings.Clone(k.Name), strings.Clone(k.program)
	l.number++
	e := &entry{Reader: Reader{Identity: k.Identity, Number: l.number, First: now}, key: k}
	l.insert(e)
	return e
}

func (l *List) time() time.Time {
	if l.now != nil {
		return l.now()
	}
	return time.Now()
}

// note changes the visit's entry.
func (v Visit) note(change func(e *entry, now time.Time)) {
	if v.list == nil {
		return
	}
	now := v.list.time()
	v.list.mu.Lock()
	defer v.list.mu.Unlock()
	e := v.list.present(v.entry)
	e.Seen = now
	change(e, now)
	v.list.touch(e)
}

// Ask notes that the reader asks for the subscription document.
func (v Visit) Ask() {
	v.note(func(e *entry, now time.Time) {
		e.Requests++
		if !e.asked.IsZero() {
			e.pace.add(v.pause)
			e.Interval = e.pace.usual()
			e.Follows = e.Follows || e.pace.n > 1 && now.Sub(e.First) >= followsAfter
		}
		e.asked = now
	})
}

// Answer notes that the reader gets a document that ends at a position, of a history that ends in this
// epoch. named is the position of the document that it has named; 0 if it named none. That does not show
// that what it had before was of the same history. If it names the same position again it has not got
// forward: then that is its position.
func (v Visit) Answer(epoch string, named, position int64) {
	v.note(func(e *entry, now time.Time) { e.answer(epoch, named, position, now) })
}

// Continue is like Answer for a named document of this history.
func (v Visit) Continue(epoch string, named, position int64) {
	v.note(func(e *entry, now time.Time) {
		e.OtherHistory = false
		e.answer(epoch, named, position, now)
	})
}

func (e *entry) answer(epoch string, named, position int64, now time.Time) {
	if e.named != named || named == 0 {
		e.named, e.Repeats, e.RepeatsSince = named, 0, now
	} else {
		position = named
		e.Repeats++
	}
	e.moveTo(epoch, position, now)
	e.Page = 0
	e.follow()
}

// At notes that the reader has named a document of this history, and that it has all events up to a
// position of it. Only that ends what OfOtherHistory notes.
func (v Visit) At(epoch string, position int64) {
	v.note(func(e *entry, now time.Time) { e.at(epoch, position, now) })
}

func (e *entry) at(epoch string, position int64, now time.Time) {
	e.moveTo(epoch, position, now)
	e.OtherHistory, e.Page, e.named, e.Repeats = false, 0, 0, 0
	e.follow()
}

func (e *entry) moveTo(epoch string, position int64, now time.Time) {
	if epoch == e.Epoch && position == e.Position {
		return
	}
	if epoch != e.Epoch || position < e.Position {
		e.ascent = ascent{}
	}
	e.ascent.note(position, now)
	e.Epoch, e.Position, e.Moved, e.Requests = epoch, position, now, 0
}

// Page notes that the reader gets an archive that ends at a position; last is 0 if that is unknown. That
// is the reader's position only if none is known, or if it goes through the history forward.
func (v Visit) Page(epoch string, number, last int64) {
	v.note(func(e *entry, now time.Time) {
		e.Page, e.paged = number, now
		e.Requests++
		if e.isPosition(number, last) {
			e.moveTo(epoch, last, now)
		}
	})
}

// OfOtherHistory notes that the reader has named a document that is not of the feed's history.
func (v Visit) OfOtherHistory() {
	v.note(func(e *entry, _ time.Time) { e.Epoch, e.Position, e.OtherHistory, e.Page = "", 0, true, 0 })
}

// Wait notes that the reader has all events up to a position, as At does, and that its request is
// held until there are new ones. Resume must follow.
func (v Visit) Wait(epoch string, position int64) {
	v.note(func(e *entry, now time.Time) {
		e.at(epoch, position, now)
		e.Waiting++
		e.Follows = true
	})
}

// Resume notes that the request is no longer held.
func (v Visit) Resume() { v.note(func(e *entry, _ time.Time) { e.Waiting-- }) }

// Seen notes that the reader is still connected.
func (v Visit) Seen() { v.note(func(*entry, time.Time) {}) }

// All returns the readers in the order in which they came.
func (l *List) All() []Reader {
	if l == nil {
		return nil
	}
	now := l.time()
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Reader, 0, len(l.entries))
	for _, e := range l.entries {
		if e.Waiting == 0 && now.Sub(e.Seen) > Forgotten {
			l.drop(e)
			continue
		}
		r := e.Reader
		r.Rate = e.ascent.rate(e.Position, now)
		if now.Sub(e.paged) > readingFor {
			r.Page = 0
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Reader) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// programOf returns the name of the program in a User-Agent, without its version.
func programOf(agent string) string {
	end := strings.IndexAny(agent, "/ (;")
	if end < 0 {
		end = len(agent)
	}
	return clean(agent[:end], maxName)
}

// clean returns text cut to a number of bytes, as valid UTF-8.
func clean(text string, limit int) string {
	text = clip(text, limit)
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "")
}

func clip(text string, limit int) string { return text[:min(len(text), limit)] }
