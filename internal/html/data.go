package html

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/jsontext"
)

// How much of an event's data a page shows.
const (
	shownData    = 128 << 10 // on its own page
	shownBinary  = 512       // of it, as hexadecimal digits
	shownLine    = 160       // characters in a list
	shownFailure = 400       // characters of an event that failed
	deepestShift = 20        // levels of JSON that are indented any further
)

// dataView is an event's data as its page shows it.
type dataView struct {
	Kind string // "JSON", "text" or "binary data"; empty if there is none
	Size string
	Text string
	Cut  bool // there is more of it
}

// canCopy reports whether the text is all of the data, and means the same: JSON is indented, and text
// is not changed at all.
func (v dataView) canCopy(data []byte) bool {
	return !v.Cut && (v.Kind == "JSON" || v.Kind == "text" && v.Text == string(data))
}

func viewData(e *event.Event) dataView {
	v := dataView{Size: size(len(e.Data))}
	switch {
	case len(e.Data) == 0:
		return dataView{}
	case cloudevents.IsJSON(e.DataContentType) && utf8.Valid(e.Data) && json.Valid(e.Data):
		v.Kind = "JSON"
		v.Text, v.Cut = indent(e.Data, shownData)
	case isText(e.Data):
		v.Kind = "text"
		v.Text, v.Cut = visible(e.Data, shownData)
	default:
		v.Kind = "binary data"
		v.Text, v.Cut = hex.Dump(e.Data[:min(len(e.Data), shownBinary)]), len(e.Data) > shownBinary
	}
	return v
}

// visible returns text up to a limit of bytes, with a picture for each control
// character.
func visible(data []byte, limit int) (string, bool) {
	cut := len(data) > limit
	text := strings.ToValidUTF8(string(data[:min(len(data), limit)]), "") // not half of the last character
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || !unicode.IsControl(r):
			return r
		case r == '\r':
			return -1
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		}
		return utf8.RuneError
	}, text), cut
}

// indent writes valid JSON over several lines, up to a limit of bytes. Unlike
// json.Indent its work is bounded by that limit, however deep the data is.
// Numbers and strings stay as they are written, but for characters that would
// turn the text or cannot be seen: they become the escapes that mean the same.
func indent(data []byte, limit int) (text string, cut bool) {
	var b bytes.Buffer
	depth := 0
	newline := func() {
		b.WriteByte('\n')
		b.WriteString(strings.Repeat("  ", min(depth, deepestShift)))
	}
	for i := 0; i < len(data); i++ {
		if b.Len() >= limit || cut {
			return strings.ToValidUTF8(b.String(), ""), true
		}
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := jsontext.StringEnd(data, i)
			writeString(&b, data[i:end], limit)
			cut = end-i > limit
			i = end - 1
		case '{', '[':
			b.WriteByte(c)
			next := skipSpace(data, i+1)
			if closing := data[next]; closing == '}' || closing == ']' {
				b.WriteByte(closing)
				i = next
				continue
			}
			depth++
			newline()
		case '}', ']':
			depth--
			newline()
			b.WriteByte(c)
		case ',':
			b.WriteByte(c)
			newline()
		case ':':
			b.WriteString(": ")
		default:
			b.WriteByte(c)
		}
	}
	return strings.ToValidUTF8(b.String(), ""), cut
}

// writeString writes a JSON string up to a limit.
func writeString(b *bytes.Buffer, text []byte, limit int) {
	for _, r := range string(text[:min(len(text), limit)]) {
		if turnsText(r) || unicode.IsControl(r) {
			b.Write(escapeRune(r))
		} else {
			b.WriteRune(r)
		}
	}
}

func escapeRune(r rune) []byte {
	const digits = "0123456789abcdef"
	if r > 0xffff {
		r -= 0x10000
		return append(escapeRune(0xd800+r>>10), escapeRune(0xdc00+r&0x3ff)...)
	}
	return []byte{'\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15]}
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n') {
		i++
	}
	return i
}

// ExampleData returns the beginning of an event's data in one line, without characters that turn text.
func ExampleData(e *event.Event) string { return dataLineOf(e, int64(len(e.Data)), shownFailure) }

// dataLine is the data in one line, for a list. The event may have only the beginning of it; all of
// it has so many bytes.
func dataLine(e *event.Event, all int64) string { return dataLineOf(e, all, shownLine) }

// dataLineOf is a dataLine of at most so many characters.
func dataLineOf(e *event.Event, all int64, shown int) string {
	readLine := 8 * shown // bytes
	if len(e.Data) == 0 {
		return ""
	}
	data, isPart := e.Data, all > int64(len(e.Data))
	if isPart {
		data = wholeCharacters(data)
	}
	var line string
	var cut bool
	switch {
	case !isText(data):
		return "binary data, " + size(int(all))
	case cloudevents.IsJSON(e.DataContentType):
		line = compact(data, readLine)
		cut = isPart || len(line) >= readLine
	default:
		line = strings.Join(strings.Fields(string(data[:min(len(data), readLine)])), " ")
		cut = isPart || len(data) > readLine
	}
	line = plain(strings.ToValidUTF8(line, ""))
	if cut && utf8.RuneCountInString(line) <= shown {
		return line + "…"
	}
	return clip(shown, line)
}

// compact returns the beginning of JSON, to a little more than a limit of bytes,
// without the white space between its tokens.
func compact(data []byte, limit int) string {
	var b strings.Builder
	for i := 0; i < len(data) && b.Len() < limit; i++ {
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := jsontext.StringEnd(data, i)
			b.Write(data[i:min(end, i+limit)])
			i = end - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
