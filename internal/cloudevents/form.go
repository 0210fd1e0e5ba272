package cloudevents

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// FormatTime returns t as normal form and documents write it: RFC 3339 in
// UTC, with six digits of a fraction, or none if it is zero. Its year must be
// 0 to 9999.
func FormatTime(t time.Time) string {
	return string(AppendTime(nil, t))
}

// AppendTime appends [FormatTime] of t to b. Every event is written and hashed
// with its time, and time.AppendFormat would take a quarter of all that.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(appendDigits(b, year, 1000), '-')
	b = append(appendDigits(b, int(month), 10), '-')
	b = append(appendDigits(b, day, 10), 'T')
	b = append(appendDigits(b, hour, 10), ':')
	b = append(appendDigits(b, minute, 10), ':')
	b = appendDigits(b, second, 10)
	if micros := t.Nanosecond() / 1000; micros > 0 {
		b = appendDigits(append(b, '.'), micros, 100_000)
	}
	return append(b, 'Z')
}

// appendDigits appends n, which has at most as many digits as unit, with
// leading zeros.
func appendDigits(b []byte, n, unit int) []byte {
	for ; unit > 0; unit /= 10 {
		b = append(b, byte('0'+n/unit%10))
	}
	return b
}

// timeSize is the length of what formTime returns.
func timeSize(e *event.Event) int {
	switch {
	case e.Time.IsZero():
		return 0
	case e.Time.Nanosecond() < 1000:
		return len("2006-01-02T15:04:05Z")
	default:
		return len("2006-01-02T15:04:05.000000Z")
	}
}

// AppendForm appends the bytes of e's normal form to b, which must be what
// [Normal] returned. Digests are computed over these bytes: id, source,
// type, subject, time, datacontenttype, dataschema, data, then name and value
// of each extension in the order of their names; each with its length in
// front, as 4 bytes, big-endian.
func AppendForm(b []byte, e *event.Event) []byte {
	b = appendField(b, e.ID)
	b = appendField(b, e.Source)
	b = appendField(b, e.Type)
	b = appendField(b, e.Subject)
	var buffer [32]byte
	b = appendField(b, formTime(e, &buffer))
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
func Size(e *event.Event) int {
	const lengths = 8 * 4
	n := lengths + len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + timeSize(e) +
		len(e.DataContentType) + len(e.DataSchema) + len(e.Data)
	for name, value := range e.Extensions {
		n += 8 + len(name) + len(value)
	}
	return n
}

// formTime is the time as normal form holds it, empty if it was left out.
func formTime(e *event.Event, buffer *[32]byte) []byte {
	if e.Time.IsZero() {
		return nil
	}
	return AppendTime(buffer[:0], e.Time)
}

func appendField[T string | []byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
	return append(b, field...)
}
