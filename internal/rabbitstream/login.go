package rabbitstream

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// logIn begins the connection: it logs in, agrees on limits, and opens the vhost.
func (c *Connection) logIn(input *bufio.Reader, config Config) error {
	properties := func(f frame) frame {
		return f.u32(2).text("product").text("eventfeed").text("connection_name").text(config.Name)
	}
	if _, err := c.handshake(input, keyPeerProperties, properties); err != nil {
		return err
	}
	if _, err := c.handshake(input, keySaslHandshake, nil); err != nil {
		return err
	}
	secret := "\x00" + config.User + "\x00" + config.Password
	authenticate := func(f frame) frame {
		return append(f.text("PLAIN").u32(uint32(len(secret))), secret...)
	}
	if _, err := c.handshake(input, keySaslAuthenticate, authenticate); err != nil {
		return err
	}
	if err := c.tune(input); err != nil {
		return err
	}
	opened, err := c.handshake(input, keyOpen, func(f frame) frame { return f.text(config.VHost) })
	if err != nil {
		return err
	}
	c.node = advertised(opened)
	return nil
}

// handshake is a request while nothing else is read.
func (c *Connection) handshake(input *bufio.Reader, key uint16, add func(frame) frame) (*fields, error) {
	c.correlation++
	f := newFrame(nil, key).u32(c.correlation)
	if add != nil {
		f = add(f)
	}
	if err := c.raw.SetWriteDeadline(time.Now().Add(dialLimit)); err != nil {
		return nil, err
	}
	if _, err := c.raw.Write(f.done()); err != nil {
		return nil, err
	}
	content, err := nextFrame(input)
	if err != nil {
		return nil, err
	}
	if got := (&fields{rest: content}).u16(); got == keyClose {
		closing := &fields{rest: content[4:]}
		_ = closing.u32() // the correlation id
		return nil, fmt.Errorf("the broker closed the connection: %w: %s", CodeError(closing.u16()), closing.text())
	}
	return c.responseTo(key, content)
}

func nextFrame(input *bufio.Reader) ([]byte, error) {
	head, err := input.Peek(4)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	_, _ = input.Discard(4)
	return readFrame(input, size)
}

// tune agrees on the broker's limit of a frame, and on the shorter interval of heartbeats.
func (c *Connection) tune(input *bufio.Reader) error {
	content, err := nextFrame(input)
	if err != nil {
		return err
	}
	f := &fields{rest: content}
	key, _ := f.u16(), f.u16()
	limit, interval := f.u32(), f.u32()
	if key != keyTune || f.short {
		return fmt.Errorf("the broker sent a frame of type %#x instead of its limits", key)
	}
	if ours := uint32(heartbeat / time.Second); interval == 0 || interval > ours {
		interval = ours
	}
	c.frameMax = maxFrame
	if limit != 0 {
		c.frameMax = min(maxFrame, int(limit))
	}
	_, err = c.raw.Write(newFrame(nil, keyTune).u32(limit).u32(interval).done())
	return err
}

// advertised returns host and port of the properties with which a broker opens a vhost.
func advertised(f *fields) string {
	properties := make(map[string]string)
	for n := f.u32(); n > 0 && !f.short; n-- {
		name := f.text()
		properties[name] = f.text()
	}
	return net.JoinHostPort(properties["advertised_host"], properties["advertised_port"])
}
