package rabbitstream

import (
	"context"
	"encoding/binary"
	"fmt"
)

const (
	publisher = 1 // the connection's only one
	// A frame is sent when it has batchMessages, or batchBytes.
	batchMessages = 128
	batchBytes    = 128 << 10
	// Bytes of a frame before its messages, and of a message before its content.
	publishHead, messageHead = 4 + 2 + 2 + 1 + 4, 8 + 4
)

// LastID returns the highest id under which a publisher of this name has published to a stream; 0 if
// there was none.
func (c *Connection) LastID(ctx context.Context, name, stream string) (uint64, error) {
	f, err := c.request(ctx, keyQueryPublisherSequence, func(f frame) frame { return f.text(name).text(stream) })
	if err != nil {
		return 0, fmt.Errorf("ask for the last id of publisher %s: %w", name, err)
	}
	return f.u64(), nil
}

// DeclarePublisher makes the publisher of this connection.
func (c *Connection) DeclarePublisher(ctx context.Context, name, stream string) error {
	_, err := c.request(ctx, keyDeclarePublisher, func(f frame) frame { return f.u8(publisher).text(name).text(stream) })
	if err != nil {
		return fmt.Errorf("declare publisher %s: %w", name, err)
	}
	return nil
}

// Publish publishes n messages under the ids from first on, in their order, and returns when the
// broker has confirmed them all. A broker that confirms nothing for a time is a SilentError, and the
// connection has ended. encode appends the content of a message, an AMQP 1.0 message, to a
// buffer. A message that is too large is a TooLargeError; those before it are published.
//
// The broker confirms a message without storing it if its id is not higher than the publisher's last
// one.
func (c *Connection) Publish(ctx context.Context, first uint64, n int, encode func(i int, buffer []byte) []byte) error {
	defer c.during(ctx)()
	c.publishing.begin(first)
	b := batch{c: c, next: first}
	var tooLarge error
	for i := range n {
		b.content = encode(i, b.content[:0])
		if size := publishHead + messageHead + len(b.content); size > c.frameMax {
			tooLarge = &TooLargeError{i, size, c.frameMax}
			break
		}
		if err := b.add(ctx); err != nil {
			return err
		}
	}
	if err := b.send(ctx); err != nil {
		return err
	}
	if err := c.publishing.awaitAll(ctx, c); err != nil {
		return err
	}
	return tooLarge
}

// batch collects messages for a frame.
type batch struct {
	c        *Connection
	next     uint64 // id of the next message
	content  []byte // of the next message
	frame    frame
	messages int
}

// add adds the content to the frame.
func (b *batch) add(ctx context.Context) error {
	if b.messages == batchMessages || b.messages > 0 && len(b.frame)+messageHead+len(b.content) > min(batchBytes, b.c.frameMax) {
		if err := b.send(ctx); err != nil {
			return err
		}
	}
	if b.messages == 0 {
		b.frame = newFrame(b.frame, keyPublish).u8(publisher).u32(0)
	}
	b.frame = append(b.frame.u64(b.next).u32(uint32(len(b.content))), b.content...)
	b.next, b.messages = b.next+1, b.messages+1
	return nil
}

// send sends the frame when the window has room for it.
func (b *batch) send(ctx context.Context) error {
	if b.messages == 0 {
		return nil
	}
	if err := b.c.publishing.reserve(ctx, b.c, b.messages, len(b.frame)); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b.frame[publishHead-4:], uint32(b.messages))
	b.messages = 0
	return because(ctx, b.c.write(b.frame.done()))
}
