package seednats

import (
	"net/url"
	"strconv"
	"strings"

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

// encoder encodes messages, one after the other.
type encoder struct {
	header nats.Header       // of the last message; the client library has copied it when it is sent
	values []string          // those of header
	names  map[string]string // of headers, by the names of attributes
	size   int               // of header, in bytes
}

// maxNames is the maximum number of names that are kept: extension attributes have any name.
const maxNames = 256

// encode returns a message as the server gets it, after the message of a sequence, and the size of its
// headers in bytes. It is valid until the next call.
func (l *log) encode(m *broker.Message, last uint64) (msg *nats.Msg, headerSize int) {
	e := &l.encoder
	if e.header == nil {
		e.header, e.names = make(nats.Header), make(map[string]string)
	}
	clear(e.header)
	e.values, e.size = e.values[:0], len("NATS/1.0\r\n")+len("\r\n")
	m.Attributes(e.attribute)
	if m.DataContentType != "" {
		e.attribute(contentType, m.DataContentType)
	}
	e.set(runHeader, l.run)
	e.set(expectStreamHeader, l.to.stream)
	e.set(expectSequenceHeader, strconv.FormatUint(last, 10))
	return &nats.Msg{Subject: l.route.Of(m, encodeTokens), Header: e.header, Data: m.Data}, e.size
}

// attribute sets the header of an attribute.
func (e *encoder) attribute(name, value string) {
	header, known := e.names[name]
	if !known {
		header = prefix + name
		if len(e.names) < maxNames {
			e.names[strings.Clone(name)] = header
		}
	}
	e.set(header, encodeValue(value))
}

func (e *encoder) set(name, value string) {
	e.values = append(e.values, value)
	e.header[name] = e.values[len(e.values)-1 : len(e.values) : len(e.values)]
	e.size += len(name) + len(": ") + len(value) + len("\r\n")
}

// encodeValue writes an attribute as the value of a header (CloudEvents NATS binding, section 3.1.3.2).
func encodeValue(value string) string {
	for i := range len(value) {
		if isEncodedInValues(value[i]) {
			return percent(value, func(i int) bool { return isEncodedInValues(value[i]) })
		}
	}
	return value
}

func isEncodedInValues(c byte) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }

// attribute returns an attribute of a message; "" if the message does not have it.
func attribute(h nats.Header, name string) string {
	value, err := url.PathUnescape(h.Get(prefix + name))
	if err != nil {
		return ""
	}
	return value
}
