package execsink

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/eventfeed/eventfeed/event"
)

// ErrProtocol is matched by errors of a program that prints what is no
// acknowledgement, or acknowledges what it cannot have done. Running it again
// would not help.
var ErrProtocol = errors.New("the program violates the protocol of --exec")

// ledger is what was handed over, and what of it was acknowledged.
type ledger struct {
	feeds   map[string]Feed   // by id
	called  map[string]string // the id of a feed, by what a program may call it by
	changed chan struct{}     // has room for one; what was acknowledged has changed, or err

	mu     sync.Mutex
	places map[string]*place // by feed id
	any    bool              // something was acknowledged
	err    error             // the first line that was none
}

// place is how far a feed is; acknowledged is at most handed.
type place struct {
	handed       int64 // last position that the program which runs was given
	acknowledged int64 // last position that a program has acknowledged
}

func newLedger(feeds []Feed) *ledger {
	l := &ledger{
		feeds: map[string]Feed{}, called: map[string]string{}, places: map[string]*place{},
		changed: make(chan struct{}, 1),
	}
	for _, f := range feeds {
		l.feeds[f.ID] = f
		if other, taken := l.called[f.Name]; taken && other != f.ID {
			l.called[f.Name] = "" // two share it
		} else {
			l.called[f.Name] = f.ID
		}
	}
	delete(l.called, "")
	for _, f := range feeds { // an id says more than a name
		l.called[f.ID] = f.ID
	}
	if len(feeds) == 1 {
		l.called[""] = feeds[0].ID
	}
	return l
}

// expect makes places for feeds whose first events these are. What came before
// them has been acknowledged at some time.
func (l *ledger) expect(events []event.Delivered) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := &events[i]
		if l.places[e.FeedID] != nil {
			continue
		}
		if _, known := l.feeds[e.FeedID]; !known {
			return fmt.Errorf("position %d is of feed %s (%s), which is not one of those to be read", e.Position, e.Feed, e.FeedID)
		}
		l.places[e.FeedID] = &place{handed: e.Position - 1, acknowledged: e.Position - 1}
	}
	return nil
}

// isHanded and isAcknowledged are of events whose feed has a place.
func (l *ledger) isHanded(e *event.Delivered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.Position <= l.places[e.FeedID].handed
}

func (l *ledger) isAcknowledged(e *event.Delivered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.Position <= l.places[e.FeedID].acknowledged
}

// hand notes that the program is being given events.
func (l *ledger) hand(events []event.Delivered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		p := l.places[events[i].FeedID]
		p.handed = max(p.handed, events[i].Position)
	}
}

// restart notes that the next program has been given nothing yet.
func (l *ledger) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.places {
		p.handed = p.acknowledged
	}
}

// acknowledged reports whether any event was, ever.
func (l *ledger) acknowledged() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.any
}

func (l *ledger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// take takes a line that the program has printed, and returns false if it is
// no acknowledgement. Nothing is taken after that.
func (l *ledger) take(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	if err := l.acknowledge(line); err != nil {
		l.err = fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	select {
	case l.changed <- struct{}{}:
	default: // whoever waits has not looked yet
	}
	return l.err == nil
}

func (l *ledger) acknowledge(line string) error {
	id, position, err := l.read(line)
	if err != nil {
		return err
	}
	p, name := l.places[id], l.name(id)
	if p == nil {
		return fmt.Errorf("it acknowledged position %d of feed %s, of which it has received nothing", position, name)
	}
	switch {
	case position > p.handed:
		return fmt.Errorf("it acknowledged position %d of feed %s, which it has not received: it has received those up to %d", position, name, p.handed)
	case position < p.acknowledged:
		return fmt.Errorf("it acknowledged position %d of feed %s after position %d", position, name, p.acknowledged)
	case position > p.acknowledged:
		p.acknowledged, l.any = position, true
	}
	return nil
}

// read reads a line: POSITION, or FEED POSITION. A feed's name may hold spaces.
func (l *ledger) read(line string) (id string, position int64, err error) {
	text := strings.TrimSpace(line)
	feed, number := "", text
	if i := strings.LastIndexByte(text, ' '); i >= 0 {
		feed, number = strings.TrimSpace(text[:i]), text[i+1:]
	}
	position, err = strconv.ParseInt(number, 10, 64)
	if err != nil || number[0] == '+' || number[0] == '-' {
		return "", 0, fmt.Errorf("it printed %.200q, which is no position; print everything but acknowledgements to standard error", line)
	}
	id = l.called[feed]
	switch {
	case id != "":
		return id, position, nil
	case feed == "":
		return "", 0, fmt.Errorf("it printed %.200q without the feed, although it reads several: %s; print the feed first, such as: %s %d",
			line, l.names(), l.name(slices.Min(slices.Collect(maps.Keys(l.feeds)))), position)
	default:
		return "", 0, fmt.Errorf("it printed %.200q, and no feed, or more than one, is called %.80q; those that it reads are %s", line, feed, l.names())
	}
}

// name is what a program may call a feed by.
func (l *ledger) name(id string) string {
	if name := l.feeds[id].Name; l.called[name] == id {
		return name
	}
	return id
}

func (l *ledger) names() string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(l.feeds)) {
		names = append(names, l.name(id))
	}
	return strings.Join(names, ", ")
}
