package seednats

import (
	"net/url"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// prefix is that of the headers with attributes, datacontenttype among them (CloudEvents NATS binding,
// section 3.1.3.1).
const prefix = "ce-"

const contentType = "datacontenttype"

// Headers beside those with attributes. A message has no Nats-Msg-Id: the server answers it before it
// compares the expected sequence, and confirms a message that it does not store.
const (
	runHeader            = "efrun" // a random id of the publisher's run
	expectStreamHeader   = "Nats-Expected-Stream"
	expectSequenceHeader = "Nats-Expected-Last-Sequence"
)

// maxHeader is the maximum size of a message's headers in a stream, in bytes.
const maxHeader = 1<<16 - 1

// encode returns a message as the server gets it, after the message of a sequence, and the size of its
// headers in bytes.
func (l *log) encode(m *broker.Message, last uint64) (msg *nats.Msg, headerSize int) {
	msg = &nats.Msg{Subject: l.route.Of(m, encodeTokens), Header: make(nats.Header, 20+len(m.Extensions)), Data: m.Data}
	headerSize = len("NATS/1.0\r\n") + len("\r\n")
	set := func(name, value string) {
		msg.Header[name] = []string{value}
		headerSize += len(name) + len(": ") + len(value) + len("\r\n")
	}
	m.Attributes(func(name, value string) { set(prefix+name, encodeValue(value)) })
	if m.DataContentType != "" {
		set(prefix+contentType, encodeValue(m.DataContentType))
	}
	set(runHeader, l.run)
	set(expectStreamHeader, l.to.stream)
	set(expectSequenceHeader, strconv.FormatUint(last, 10))
	return msg, headerSize
}

// encodeValue writes an attribute as the value of a header (CloudEvents NATS binding, section 3.1.3.2).
func encodeValue(value string) string {
	return percent(value, func(i int) bool {
		c := value[i]
		return c <= ' ' || c > '~' || c == '"' || c == '%'
	})
}

// attribute returns an attribute of a message; "" if the message does not have it.
func attribute(h nats.Header, name string) string {
	value, err := url.PathUnescape(h.Get(prefix + name))
	if err != nil {
		return ""
	}
	return value
}
