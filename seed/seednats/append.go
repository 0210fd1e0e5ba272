package seednats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// The window is what is published and not acknowledged. It stays well below what a server buffers for a
// stream, 10,000 messages and 128 MB, beyond which it drops messages.
const (
	windowMessages = 1024
	windowBytes    = 8 << 20
)

// Append publishes messages and waits for all acknowledgements.
func (l *log) Append(ctx context.Context, messages []broker.Message) error {
	if !l.lastKnown {
		return errors.New("append to a stream whose end is not known")
	}
	l.lastKnown = false
	stop := context.AfterFunc(ctx, l.conn.cut) // a write may block
	defer stop()
	p := &pipeline{log: l, messages: messages, stored: make([]bool, len(messages)), timer: time.NewTimer(l.conn.answer)}
	p.usual = fmt.Appendf(nil, `{"stream":%q, "seq":`, l.to.stream)
	if err := p.publish(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	l.last += uint64(len(messages))
	l.lastKnown = true
	if len(messages) > 0 {
		l.generation = messages[len(messages)-1].Generation
	}
	return nil
}

// pipeline publishes messages, several at once. Each of them is stored only right after the sequence
// before it, so a message that is lost takes all after it along.
type pipeline struct {
	*log
	messages    []broker.Message
	stored      []bool // which of them are acknowledged
	sent, acked int
	bytes       int // in the window
	timer       *time.Timer
	usual       []byte // how the usual acknowledgement begins; its sequence and a brace follow
}

// publish publishes all messages. If the stream cannot take one, those before it are published.
func (p *pipeline) publish(ctx context.Context) (err error) {
	for p.sent < len(p.messages) && err == nil {
		for p.sent > p.acked && (p.sent-p.acked >= windowMessages || p.bytes+sizeOf(&p.messages[p.sent]) > windowBytes) {
			if err := p.takeAck(ctx); err != nil {
				return err
			}
		}
		err = p.send(&p.messages[p.sent])
	}
	for p.acked < p.sent {
		if err := p.takeAck(ctx); err != nil {
			return err
		}
	}
	return err
}

// sizeOf returns about the size of a message, in bytes.
func sizeOf(m *broker.Message) int { return len(m.Data) + 1024 }

// send sends a message if the stream can take it.
func (p *pipeline) send(m *broker.Message) error {
	last := p.last + uint64(p.sent)
	msg, headerSize := p.encode(m, last)
	msg.Reply = p.conn.prefix + strconv.FormatUint(last+1, 10)
	if err := p.fits(m, msg, headerSize); err != nil {
		return err
	}
	if err := p.conn.nc.PublishMsg(msg); err != nil {
		if cause := context.Cause(p.conn.alive); cause != nil {
			err = cause
		}
		return p.explain(err)
	}
	p.sent++
	p.bytes += sizeOf(m)
	return nil
}

// overhead is more than what a stream stores beside a message's subject, headers and data, in bytes.
const overhead = 64

// fits returns an OperatorError if the stream cannot take a message.
func (p *pipeline) fits(m *broker.Message, msg *nats.Msg, headerSize int) error {
	size, ofServer, ofStream := int64(headerSize+len(msg.Data)), p.conn.nc.MaxPayload(), int64(p.settings.MaxMsgSize)
	switch {
	case !takes(p.settings.Subjects, msg.Subject):
		return p.notTaken(m, msg.Subject)
	case len(msg.Subject) > maxSubject:
		return longSubject(m, msg.Subject)
	case headerSize > maxHeader:
		return largeHeaders(m, headerSize)
	case size > ofServer:
		return &broker.OperatorError{
			Err:  fmt.Errorf("%s takes %d bytes with its attributes, and the server allows %d", m, size, ofServer),
			Next: "raise max_payload in the server's configuration",
		}
	case p.settings.MaxBytes > 0 && size+overhead+int64(len(msg.Subject)) > p.settings.MaxBytes: // it would be stored, acknowledged and discarded
		return &broker.OperatorError{
			Err:  fmt.Errorf("%s takes %d bytes with its attributes, and %s holds %d in all", m, size, p.to.target(), p.settings.MaxBytes),
			Next: fmt.Sprintf("raise it with: nats stream edit %s --max-bytes=BYTES", p.to.stream),
		}
	case ofStream > 0 && size > ofStream:
		return &broker.OperatorError{
			Err:  fmt.Errorf("%s takes %d bytes with its attributes, and %s allows %d", m, size, p.to.target(), ofStream),
			Next: fmt.Sprintf("raise it with: nats stream edit %s --max-msg-size=%d", p.to.stream, size),
		}
	}
	return nil
}

// takeAck waits for an acknowledgement.
func (p *pipeline) takeAck(ctx context.Context) error {
	p.timer.Reset(p.conn.answer)
	select {
	case msg := <-p.conn.acks:
		return p.acknowledge(msg)
	case <-ctx.Done():
		return ctx.Err()
	case <-p.conn.alive.Done():
		return p.explain(context.Cause(p.conn.alive))
	case <-p.timer.C:
		return p.conn.silent()
	}
}

// acknowledge counts an acknowledgement, and returns an error for any other answer of the stream than the
// one that the message is stored where it was expected to be. A message has other subscribers than the
// stream, maybe other streams behind a leaf node, and their answers say nothing.
func (p *pipeline) acknowledge(msg *nats.Msg) error {
	token := strings.TrimPrefix(msg.Subject, p.conn.prefix)
	expected, err := strconv.ParseUint(token, 10, 64)
	isOfAppend := err == nil && expected > p.last && expected <= p.last+uint64(p.sent)
	if !isOfAppend || p.stored[expected-p.last-1] {
		return nil
	}
	m := &p.messages[expected-p.last-1]
	a, isAnswer := p.readAck(msg.Data, token, expected)
	switch {
	case len(msg.Data) == 0 && msg.Header.Get("Status") == "503":
		return fmt.Errorf("%s was not taken: the stream has no leader at the moment, or does not take its subject any more", m)
	case !isAnswer:
		return nil
	case a.Error != nil:
		return p.refused(m, a.Error)
	case a.Sequence != expected || a.Duplicate:
		return fmt.Errorf("%s was to be message %d of %s, and the server acknowledged message %d (duplicate: %t)", m, expected, p.to.target(), a.Sequence, a.Duplicate)
	}
	p.stored[expected-p.last-1] = true
	p.acked++
	p.bytes -= sizeOf(m)
	return nil
}

// ack is an answer of JetStream to a message.
type ack struct {
	jetstream.PubAck
	Error *jetstream.APIError `json:"error"`
}

// readAck returns an answer, and whether it is the stream's.
func (p *pipeline) readAck(data []byte, token string, expected uint64) (a ack, is bool) {
	if rest, is := bytes.CutPrefix(data, p.usual); is && string(rest) == token+"}" {
		a.Stream, a.Sequence = p.to.stream, expected
		return a, true
	}
	if json.Unmarshal(data, &a) != nil {
		return a, false
	}
	return a, a.Stream == p.to.stream || a.Stream == "" && a.Error != nil
}
