package seedrabbitmqstream

import (
	"fmt"

	"github.com/eventfeed/eventfeed/internal/rabbitstream"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// prefix is that of the application properties with attributes (AMQP binding of CloudEvents, section
// 3.1.3.1).
const prefix = "cloudEvents:"

// maxContentType is the length of the longest content type that consumers of AMQP 0-9-1 can get, in
// bytes.
const maxContentType = 255

// encode appends a message to a buffer as the stream gets it.
func encode(m *broker.Message, buffer []byte) []byte {
	contentType := m.DataContentType
	attributes := func(add func(name, value string)) {
		m.Attributes(func(name, value string) { add(prefix+name, value) })
		if len(m.DataContentType) > maxContentType {
			add(prefix+"datacontenttype", m.DataContentType)
		}
	}
	if len(contentType) > maxContentType {
		contentType = ""
	}
	return rabbitstream.AppendMessage(buffer, contentType, attributes, m.Data)
}

// placed is a message that was read, with its place.
type placed struct {
	broker.Place
	offset   uint64
	isMarker bool
}

// placeOf returns the place of a message. An error reports that eventfeed has not made the message.
func placeOf(m rabbitstream.Message) (p placed, err error) {
	if m.Content == nil {
		return p, fmt.Errorf("the message at offset %d is part of a batch, which eventfeed does not publish", m.Offset)
	}
	properties, err := rabbitstream.ApplicationProperties(m.Content)
	if err != nil {
		return p, fmt.Errorf("the message at offset %d %w", m.Offset, err)
	}
	p.offset, p.isMarker = m.Offset, properties[prefix+"type"] == broker.MarkerType
	if p.Place, err = broker.ReadPlace(func(name string) string { return properties[prefix+name] }); err != nil {
		return p, fmt.Errorf("the message at offset %d is not eventfeed's: it %w", m.Offset, err)
	}
	return p, nil
}
