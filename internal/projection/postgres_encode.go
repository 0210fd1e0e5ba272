package projection

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/eventfeed/eventfeed/event"
)

// parameterTypes are what PostgreSQL takes the parameters for.
var parameterTypes = [parameterCount]uint32{
	feedParameter:       pgtype.TextOID,
	positionParameter:   pgtype.Int8OID,
	idParameter:         pgtype.TextOID,
	sourceParameter:     pgtype.TextOID,
	typeParameter:       pgtype.TextOID,
	subjectParameter:    pgtype.TextOID,
	timeParameter:       pgtype.TimestamptzOID,
	dataschemaParameter: pgtype.TextOID,
	dataParameter:       pgtype.JSONBOID,
	dataBytesParameter:  pgtype.ByteaOID,
	liveParameter:       pgtype.BoolOID,
}

// binaryFormat says that all parameters come in binary form.
var binaryFormat = []int16{1}

// encoder writes parameters in PostgreSQL's binary form, which pgx would ask
// its type map for with every value.
type encoder struct {
	values [][]byte
	buffer []byte
}

// encode returns the values of an event's attributes, which are good until the
// next call, and how many bytes they have.
func (c *encoder) encode(parameters []parameter, e *event.Delivered) (values [][]byte, size int) {
	c.values, c.buffer = c.values[:0], c.buffer[:0]
	for _, p := range parameters {
		start := len(c.buffer)
		var there bool
		c.buffer, there = appendParameter(c.buffer, p, e)
		if !there {
			c.values = append(c.values, nil)
			continue
		}
		c.values = append(c.values, c.buffer[start:len(c.buffer):len(c.buffer)])
	}
	return c.values, len(c.buffer)
}

// postgresEpoch is where PostgreSQL's timestamps count from, in microseconds.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// jsonbVersion stands in front of jsonb in binary form.
const jsonbVersion = 1

// appendParameter appends the value of one of the event's attributes, and
// reports whether it has one.
func appendParameter(b []byte, p parameter, e *event.Delivered) (appended []byte, there bool) {
	switch p {
	case positionParameter:
		return binary.BigEndian.AppendUint64(b, uint64(e.Position)), true
	case timeParameter:
		return binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMicro()-postgresEpoch)), !e.Time.IsZero()
	case dataParameter:
		return append(append(b, jsonbVersion), e.Data...), len(e.Data) > 0
	case dataBytesParameter:
		return append(b, e.Data...), len(e.Data) > 0
	case liveParameter:
		if e.Live {
			return append(b, 1), true
		}
		return append(b, 0), true
	default:
		text := attribute(p, e)
		return append(b, text...), text != ""
	}
}

// attribute is one of the event's attributes that are text.
func attribute(p parameter, e *event.Delivered) string {
	switch p {
	case feedParameter:
		return e.Feed
	case idParameter:
		return e.ID
	case sourceParameter:
		return e.Source
	case typeParameter:
		return e.Type
	case subjectParameter:
		return e.Subject
	case dataschemaParameter:
		return e.DataSchema
	}
	panic("projection: " + parameterNames[p] + " is no text")
}
