package seedrabbitmq

import (
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// prefix is that of the headers with attributes. The AMQP binding of CloudEvents (section 3.1.3.1)
// has it for application properties of AMQP 1.0, which RabbitMQ converts from and to headers.
const prefix = "cloudEvents:"

// maxShort is the maximum length of a short string of AMQP 0-9-1, in bytes: a routing key, or a
// property.
const maxShort = 255

// encode returns a message as RabbitMQ gets it, and its routing key. frame is the maximum size of a
// frame, in bytes; all headers have to fit into one. 0 means no limit.
func (d *delivery) encode(m *broker.Message, frame int) (key string, p amqp.Publishing, err error) {
	if key = d.route.Of(m, nil); len(key) > maxShort {
		return "", p, longKey(key, m)
	}
	p = amqp.Publishing{
		Headers: make(amqp.Table, 16+len(m.Extensions)), DeliveryMode: amqp.Persistent,
		MessageId: m.ID, ContentType: m.DataContentType, Body: m.Data,
	}
	size := headerOverhead + len(m.ID) + len(m.DataContentType)
	set := func(name, value string) {
		p.Headers[prefix+name] = value
		size += fieldOverhead + len(prefix) + len(name) + len(value)
	}
	m.Attributes(set)
	if len(m.DataContentType) > maxShort {
		p.ContentType = ""
		set("datacontenttype", m.DataContentType)
	}
	if frame > 0 && size > frame {
		return "", p, largeHeaders(size, frame, m)
	}
	return key, p, nil
}

// headerOverhead is more than a frame with headers has beside them, and fieldOverhead what each
// header has beside its name and value, in bytes: two lengths and the type.
const (
	headerOverhead = 64
	fieldOverhead  = 1 + 1 + 4
)

// returnKey identifies a message that the broker has returned.
type returnKey struct {
	feedID, position string
	marker           bool
}

func keyOf(m *broker.Message) returnKey {
	return returnKey{m.FeedID, strconv.FormatInt(m.Position, 10), m.Type == broker.MarkerType}
}

// takeReturns notes the messages that the broker has returned so far, all before their
// confirmations.
func (d *delivery) takeReturns(c *connection) {
	for {
		select {
		case r, open := <-c.returns:
			if !open {
				c.returns = nil
				return
			}
			value := func(name string) string { s, _ := r.Headers[prefix+name].(string); return s }
			d.returned[returnKey{
				value(cloudevents.FeedIDAttribute), value(cloudevents.PositionAttribute), value("type") == broker.MarkerType,
			}] = true
		default:
			return
		}
	}
}
