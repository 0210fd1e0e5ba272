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

// ErrProtocol is matched by errors of a program that prints something other than acknowledgements,
// or acknowledges events that it has not got. Restarting the program would not help.
var ErrProtocol = errors.New("the program violates the protocol of --exec")

// ledger records which events were delivered, and which were acknowledged.
type ledger struct {
	feeds   map[string]Feed   // by id
	called  map[string]string // the id of a feed, by each name that a program may print
	changed chan struct{}     // capacity 1; receives when acknowledgements or err have changed

	mu     sync.Mutex
	places map[string]*place // by feed id
	any    bool              // an event was acknowledged
	err    error             // the error of the first invalid line
}

// place is the state of a feed; acknowledged is at most handed.
type place struct {
	handed       int64 // last position that the running program has got
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
	for _, f := range feeds { // an id has precedence over a name
		l.called[f.ID] = f.ID
	}
	if len(feeds) == 1 {
		l.called[""] = feeds[0].ID
	}
	return l
}

// expect creates places for feeds whose first events these are. All earlier events were
// acknowledged before.
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

// isHanded reports whether the running program has got an event, whose feed must have a place.
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

// hand records that the program is about to get events.
func (l *ledger) hand(events []event.Delivered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		p := l.places[events[i].FeedID]
		p.handed = max(p.handed, events[i].Position)
	}
}

// restart records that the next program has got nothing yet.
func (l *ledger) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.places {
		p.handed = p.acknowledged
	}
}

// acknowledged reports whether any event was ever acknowledged.
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

// take processes a line that the program has printed. It returns false if the line is invalid, and
// for all lines after that.
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
	default: // a notification is pending
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

// read parses a line: POSITION, or FEED POSITION. A feed's name may contain spaces.
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

// name returns the name by which a program may call a feed: its own name or its id.
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
