package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Memory is a place in memory: the smallest one for logs that pass the tests. It is also for tests
// of what is done with any log.
type Memory struct {
	mu       sync.Mutex
	messages []broker.Message
	lost     bool // the last message was lost
	holder   *memoryLog
	broken   func(position int64) bool
}

// MaxData is the number of bytes of data that a Memory takes.
const MaxData = 100_000

var (
	errBroken = errors.New("the log has broken off")
	errClosed = errors.New("the log is not open")
)

// NewLog returns a log, not open.
func (p *Memory) NewLog() broker.Log { return &memoryLog{place: p} }

// Break makes Append break off after each message for which after is true.
func (p *Memory) Break(after func(position int64) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = after
}

// Cut removes the last n messages, as a broker does that loses what it has acknowledged.
func (p *Memory) Cut(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = p.messages[:len(p.messages)-n]
}

// Purge removes all messages. The place remembers that there were some.
func (p *Memory) Purge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages, p.lost = nil, true
}

// Messages returns what the place holds.
func (p *Memory) Messages() []broker.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.messages)
}

// Read returns what the place holds, as a consumer reads it.
func (p *Memory) Read(*testing.T) (all []Message) {
	for _, m := range p.Messages() {
		read := Message{Attributes: make(map[string]string), Data: m.Data}
		m.Attributes(func(name, value string) { read.Attributes[name] = value })
		if m.DataContentType != "" {
			read.Attributes["datacontenttype"] = m.DataContentType
		}
		all = append(all, read)
	}
	return all
}

// memoryLog is a log of a Memory.
type memoryLog struct {
	place  *Memory
	isOpen bool
}

func (l *memoryLog) Open(ctx context.Context, _ broker.Feed) error {
	l.isOpen = ctx.Err() == nil
	return ctx.Err()
}

func (l *memoryLog) Claim(ctx context.Context) error {
	l.place.mu.Lock()
	defer l.place.mu.Unlock()
	l.place.holder = l
	return ctx.Err()
}

func (l *memoryLog) End(ctx context.Context) (end broker.Place, found bool, err error) {
	l.place.mu.Lock()
	defer l.place.mu.Unlock()
	switch n := len(l.place.messages); {
	case !l.isOpen:
		return end, false, errClosed
	case l.place.lost:
		return end, false, &broker.LostEndError{Err: errors.New("the log has lost its messages")}
	case n > 0:
		return l.place.messages[n-1].Place(), true, ctx.Err()
	}
	return end, false, ctx.Err()
}

func (l *memoryLog) Earlier(context.Context) (places []broker.Place, err error) {
	l.place.mu.Lock()
	defer l.place.mu.Unlock()
	if l.place.lost {
		return nil, errors.New("the log has no messages")
	}
	all := l.place.messages
	for _, before := range broker.Back(int64(len(all))) {
		p := all[int64(len(all))-1-before].Place()
		if len(places) == 0 && p.Position < all[len(all)-1].Position || len(places) > 0 && p.Position < places[0].Position {
			places = slices.Insert(places, 0, p)
		}
	}
	return places, nil
}

func (l *memoryLog) Append(ctx context.Context, messages []broker.Message) error {
	l.place.mu.Lock()
	defer l.place.mu.Unlock()
	switch {
	case !l.isOpen:
		return errClosed
	case l.place.holder != l:
		return fmt.Errorf("log in memory: %w", seed.ErrMoved)
	}
	for _, m := range messages { // whose strings and data are valid during the call only
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(m.Data) > MaxData {
			return &broker.OperatorError{Err: fmt.Errorf("%s, with %d bytes, is too large: the limit is %d", &m, len(m.Data), MaxData), Next: "raise the limit"}
		}
		l.place.messages, l.place.lost = append(l.place.messages, clone(m)), false
		if l.place.broken != nil && l.place.broken(m.Position) {
			return errBroken
		}
	}
	return nil
}

// clone returns a message that stays valid after Append.
func clone(m broker.Message) broker.Message {
	for _, s := range []*string{&m.ID, &m.Source, &m.Type, &m.Subject, &m.DataContentType, &m.DataSchema, &m.Feed, &m.FeedID, &m.Epoch} {
		*s = strings.Clone(*s)
	}
	extensions := make(map[string]string, len(m.Extensions))
	for name, value := range m.Extensions {
		extensions[strings.Clone(name)] = strings.Clone(value)
	}
	m.Extensions, m.Data = extensions, bytes.Clone(m.Data)
	return m
}

func (l *memoryLog) Close() {
	l.place.mu.Lock()
	defer l.place.mu.Unlock()
	l.isOpen = false
	if l.place.holder == l {
		l.place.holder = nil
	}
}
