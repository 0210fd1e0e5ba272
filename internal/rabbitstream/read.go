package rabbitstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// Where a subscription begins.
const (
	offsetLast  = 2 // with the last chunk
	offsetExact = 4 // with the chunk that has a message, or the first one after it
)

// Message is a message in a stream.
type Message struct {
	Offset  uint64
	Content []byte // an AMQP 1.0 message; nil if it is one of several that were published as one entry
}

// reading is the message that is being read.
type reading struct {
	mu           sync.Mutex
	subscription uint8
	offset       uint64 // that of the message
	last         bool   // the last message of the chunk instead
	message      Message
	found        chan struct{} // has an element if a chunk was read
}

// ReadLast returns the last message of a stream. It waits for one for at most patience.
func (c *Connection) ReadLast(ctx context.Context, stream string, patience time.Duration) (m Message, found bool, err error) {
	return c.read(ctx, stream, patience, func(f frame) frame { return f.u16(offsetLast) }, func(r *reading) { r.last = true })
}

// ReadAt returns the message at an offset; the first one after it if the stream has lost that
// message.
func (c *Connection) ReadAt(ctx context.Context, stream string, offset uint64, patience time.Duration) (m Message, found bool, err error) {
	return c.read(ctx, stream, patience, func(f frame) frame { return f.u16(offsetExact).u64(offset) }, func(r *reading) { r.offset = offset })
}

// read subscribes to a stream for one chunk. The broker sends it before it answers the next request.
func (c *Connection) read(ctx context.Context, stream string, patience time.Duration, from func(frame) frame, want func(*reading)) (m Message, found bool, err error) {
	r := &c.reading
	subscription := r.begin(want)
	if _, err := c.request(ctx, keySubscribe, func(f frame) frame { return from(f.u8(subscription).text(stream)).u16(1) }); err != nil {
		return m, false, fmt.Errorf("subscribe to stream %s: %w", stream, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.found:
		found = true
	case <-timer.C:
	case <-ctx.Done():
		return m, false, c.fail(ctx.Err())
	case <-c.ended:
		return m, false, because(ctx, c.why())
	}
	if _, err := c.request(ctx, keyUnsubscribe, func(f frame) frame { return f.u8(subscription) }); err != nil {
		return m, false, fmt.Errorf("unsubscribe from stream %s: %w", stream, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.found:
		found = true
	default:
	}
	return r.message, found, nil
}

// begin gives the next chunk a subscription.
func (r *reading) begin(want func(*reading)) (subscription uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscription++
	r.offset, r.last, r.message = 0, false, Message{}
	select {
	case <-r.found: // of an earlier call
	default:
	}
	want(r)
	return r.subscription
}

// deliver reads a frame with a chunk.
func (r *reading) deliver(input *io.LimitedReader) error {
	var head [4 + 1 + 48]byte
	if _, err := io.ReadFull(input, head[:]); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if head[4] == r.subscription {
		f := &fields{rest: head[5:]}
		if err := r.chunk(f, input); err != nil {
			return fmt.Errorf("read a chunk: %w", err)
		}
		select {
		case r.found <- struct{}{}:
		default:
		}
	}
	_, err := io.Copy(io.Discard, input)
	return err
}

// chunk reads a chunk up to the message.
func (r *reading) chunk(head *fields, input io.Reader) error {
	magic, kind := head.u8(), head.u8()
	entries := head.u16()
	_ = head.u32() // messages
	_ = head.u64() // the time
	_ = head.u64() // the epoch
	offset := head.u64()
	sum, size := head.u32(), head.u32()
	if magic>>4 != 5 || kind != 0 {
		return fmt.Errorf("the broker sent a chunk of format %#x and type %d", magic, kind)
	}
	whole, actual := &io.LimitedReader{R: input, N: int64(size)}, crc32.NewIEEE()
	data := io.TeeReader(whole, actual)
	var spare []byte // the memory for the next entry
	have := false
	for range entries {
		content, messages, err := entry(data, spare)
		if err != nil {
			return err
		}
		next := offset + messages
		if at, wanted := r.wants(offset, next, have); wanted {
			spare, r.message, have = r.message.Content, Message{at, content}, true
		} else {
			spare = content
		}
		offset = next
	}
	if _, err := io.Copy(io.Discard, data); err != nil {
		return err
	}
	if whole.N > 0 {
		return fmt.Errorf("%d of %d bytes are missing", whole.N, size)
	}
	if actual.Sum32() != sum {
		return fmt.Errorf("the checksum is %#x instead of %#x", actual.Sum32(), sum)
	}
	return nil
}

// wants reports whether an entry is read for its message, and the offset of that. The entry has the
// offsets from one to before another. have says that one was read before.
func (r *reading) wants(from, to uint64, have bool) (offset uint64, wanted bool) {
	switch {
	case r.last:
		return to - 1, true
	case r.offset < from:
		return from, !have
	}
	return r.offset, r.offset < to
}

// entry reads an entry of a chunk into memory that may be used again, and returns how many messages
// it holds. The content of several messages is skipped.
func entry(data io.Reader, memory []byte) (content []byte, messages uint64, err error) {
	var head [4]byte
	if _, err := io.ReadFull(data, head[:]); err != nil {
		return nil, 0, err
	}
	if head[0]&0x80 != 0 {
		return several(data, head)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return nil, 0, fmt.Errorf("a message of %d bytes", size)
	}
	if uint32(cap(memory)) < size {
		memory = make([]byte, size)
	}
	memory = memory[:size]
	_, err = io.ReadFull(data, memory)
	return memory, 1, err
}

// several skips an entry that holds several messages.
func several(data io.Reader, head [4]byte) (content []byte, messages uint64, err error) {
	var rest [1 + 4 + 4 - 2]byte
	if _, err := io.ReadFull(data, rest[:]); err != nil {
		return nil, 0, err
	}
	if messages = uint64(binary.BigEndian.Uint16(head[1:])); messages == 0 {
		return nil, 0, errors.New("an entry without messages")
	}
	_, err = io.CopyN(io.Discard, data, int64(binary.BigEndian.Uint32(rest[len(rest)-4:])))
	return nil, messages, err
}
