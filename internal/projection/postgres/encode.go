package postgres

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/eventfeed/eventfeed/event"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/projection"
)

// parameterTypes are the PostgreSQL types of the parameters.
var parameterTypes = [projection.ParameterCount]uint32{
	projection.FeedParameter:       pgtype.TextOID,
	projection.PositionParameter:   pgtype.Int8OID,
	projection.IDParameter:         pgtype.TextOID,
	projection.SourceParameter:     pgtype.TextOID,
	projection.TypeParameter:       pgtype.TextOID,
	projection.SubjectParameter:    pgtype.TextOID,
	projection.TimeParameter:       pgtype.TimestamptzOID,
	projection.DataSchemaParameter: pgtype.TextOID,
	projection.DataParameter:       pgtype.JSONBOID,
	projection.DataBytesParameter:  pgtype.ByteaOID,
	projection.LiveParameter:       pgtype.BoolOID,
}

// binaryFormat is the format code of parameters in binary format.
var binaryFormat = []int16{1}

// encoder encodes parameters in PostgreSQL's binary format.
type encoder struct {
	values [][]byte
	buffer []byte
}

// encode returns the values of an event's attributes, which are valid until the next call, and
// their size in bytes.
func (c *encoder) encode(parameters []projection.Parameter, e *event.Delivered) (values [][]byte, size int) {
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

// appendParameter appends the value of one of the event's attributes. It reports whether the event
// has the attribute.
func appendParameter(b []byte, p projection.Parameter, e *event.Delivered) (appended []byte, there bool) {
	switch p {
	case projection.PositionParameter:
		return postgresdb.AppendInt8(b, e.Position), true
	case projection.TimeParameter:
		return postgresdb.AppendTimestamp(b, e.Time), !e.Time.IsZero()
	case projection.DataParameter:
		return postgresdb.AppendJSONB(b, e.Data), len(e.Data) > 0
	case projection.DataBytesParameter:
		return append(b, e.Data...), len(e.Data) > 0
	case projection.LiveParameter:
		if e.Live {
			return append(b, 1), true
		}
		return append(b, 0), true
	default:
		text := projection.Attribute(p, e)
		return append(b, text...), text != ""
	}
}
