package event

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// timeLayout and timeLayoutMicros are RFC 3339 in UTC, as normal form writes
// it: six digits of a fraction, or none if it is zero.
const (
	timeLayout       = "2006-01-02T15:04:05Z"
	timeLayoutMicros = "2006-01-02T15:04:05.000000Z"
)

// FormatTime returns t as normal form and documents write it: RFC 3339 in
// UTC, with six digits of a fraction, or none if it is zero.
func FormatTime(t time.Time) string {
	return string(AppendTime(nil, t))
}

// AppendTime appends [FormatTime] of t to b.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Microsecond) {
		return t.AppendFormat(b, timeLayout)
	}
	return t.AppendFormat(b, timeLayoutMicros)
}

// AppendForm appends the bytes of e's normal form to b, which must be what
// [Event.Normal] returned. Digests are computed over these bytes: id, source,
// type, subject, time, datacontenttype, dataschema, data, then name and value
// of each extension in the order of their names; each with its length in
// front, as 4 bytes, big-endian.
func (e *Event) AppendForm(b []byte) []byte {
	b = appendField(b, e.ID)
	b = appendField(b, e.Source)
	b = appendField(b, e.Type)
	b = appendField(b, e.Subject)
	b = appendField(b, e.formTime())
	b = appendField(b, e.DataContentType)
	b = appendField(b, e.DataSchema)
	b = appendField(b, e.Data)
	if len(e.Extensions) > 0 {
		for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
			b = appendField(b, name)
			b = appendField(b, e.Extensions[name])
		}
	}
	return b
}

// Size is the number of bytes of e's normal form, which is what the limits of
// events and pages count.
func (e *Event) Size() int {
	const lengths = 8 * 4
	n := lengths + len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + len(e.formTime()) +
		len(e.DataContentType) + len(e.DataSchema) + len(e.Data)
	for name, value := range e.Extensions {
		n += 8 + len(name) + len(value)
	}
	return n
}

// formTime is the time as normal form holds it, empty if it was left out.
func (e *Event) formTime() []byte {
	if e.Time.IsZero() {
		return nil
	}
	var buffer [len(timeLayoutMicros)]byte
	return AppendTime(buffer[:0], e.Time)
}

func appendField[T string | []byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
	return append(b, field...)
}
