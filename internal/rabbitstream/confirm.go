package rabbitstream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// windowMessages and windowBytes bound what is on its way, and so the chunks that the broker makes
// of it. A single frame may be larger.
const (
	windowMessages = 4096
	windowBytes    = 8 << 20
)

// publishing is what is on its way: the messages with the ids from base to next.
type publishing struct {
	mu         sync.Mutex
	first      uint64 // of the messages of this call
	base, next uint64
	confirmed  [windowMessages]bool // by id modulo windowMessages
	frames     []sentFrame          // those with a message that is not confirmed
	bytes      int                  // in these frames
	changed    chan struct{}        // has an element after a confirm
}

type sentFrame struct {
	end   uint64 // the id after its last one
	bytes int
}

func (p *publishing) begin(first uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first, p.base, p.next, p.frames, p.bytes = first, first, first, nil, 0
}

// confirm takes the ids that the broker confirms.
func (p *publishing) confirm(f *fields) error {
	_ = f.u8() // the publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := f.u32(); n > 0; n-- {
		id := f.u64()
		if f.short || id < p.base || id >= p.next {
			return fmt.Errorf("the broker confirmed message %d, which is not on its way", id)
		}
		p.confirmed[id%windowMessages] = true
	}
	for ; p.base < p.next && p.confirmed[p.base%windowMessages]; p.base++ {
		p.confirmed[p.base%windowMessages] = false
	}
	for len(p.frames) > 0 && p.frames[0].end <= p.base {
		p.bytes -= p.frames[0].bytes
		p.frames = p.frames[1:]
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return nil
}

// reserve waits until a frame of messages has room in the window, and counts it as sent.
func (p *publishing) reserve(ctx context.Context, c *Connection, messages, bytes int) error {
	return p.await(ctx, c, func() bool {
		if p.next+uint64(messages) > p.base+windowMessages || len(p.frames) > 0 && p.bytes+bytes > windowBytes {
			return false
		}
		p.next += uint64(messages)
		p.frames, p.bytes = append(p.frames, sentFrame{p.next, bytes}), p.bytes+bytes
		return true
	})
}

// awaitAll waits until all that was sent is confirmed.
func (p *publishing) awaitAll(ctx context.Context, c *Connection) error {
	return p.await(ctx, c, func() bool { return p.base == p.next })
}

// await waits until a condition holds, as long as the broker confirms something within deadAfter.
func (p *publishing) await(ctx context.Context, c *Connection, holds func() bool) error {
	timer := time.NewTimer(deadAfter)
	defer timer.Stop()
	for {
		p.mu.Lock()
		done := holds()
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-p.changed:
			timer.Reset(deadAfter)
		case <-c.ended:
			return because(ctx, c.why())
		case <-timer.C:
			return c.fail(&SilentError{What: "confirmed nothing", For: deadAfter, Confirmed: p.confirmations()})
		}
	}
}

// confirmations returns how many messages of this call are confirmed, without a gap before them.
func (p *publishing) confirmations() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.base - p.first)
}

// refusal returns an error for messages that the broker refuses.
func refusal(f *fields) error {
	_ = f.u8() // the publisher
	n, id, code := f.u32(), f.u64(), CodeError(f.u16())
	return fmt.Errorf("the broker refused %d messages, from id %d on: %w", n, id, code)
}
