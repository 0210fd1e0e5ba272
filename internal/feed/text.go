package feed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isPlain reports whether data can stand in a document as text and come out
// of every XML reader as the same bytes: UTF-8, legal in XML 1.0 (section
// 2.2), without carriage returns, which XML turns into line feeds, without the
// control characters U+007F to U+009F, which XML discourages and readers take for
// those of another encoding, and without white space or U+FEFF at its ends, which
// feed readers trim.
func isPlain[T string | []byte](data T) bool {
	if len(data) == 0 {
		return true
	}
	for i := 0; i < len(data); {
		c := data[i]
		if c >= 0x20 && c < 0x7f || c == '\t' || c == '\n' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			return false
		}
		r, width := decodeRune(data[i:])
		if r == utf8.RuneError && width == 1 || r <= 0x9f || r == 0xfffe || r == 0xffff {
			return false
		}
		i += width
	}
	return !spaceAtEnds(data)
}

func spaceAtEnds[T string | []byte](data T) bool {
	first, _ := decodeRune(data)
	tail := data[max(0, len(data)-utf8.UTFMax):]
	last, _ := utf8.DecodeLastRuneInString(string(tail))
	return isTrimmed(first) || isTrimmed(last)
}

// isTrimmed reports whether readers take a character away at the ends of a text: white
// space, and U+FEFF, which is white space to ECMAScript and a mark to others.
func isTrimmed(r rune) bool { return unicode.IsSpace(r) || r == 0xfeff }

func decodeRune[T string | []byte](data T) (rune, int) {
	return utf8.DecodeRuneInString(string(data[:min(len(data), utf8.UTFMax)]))
}

// escapes are the characters that the canonical form writes in another way.
// A line feed is one of them, so that every entry is one line.
var escapes = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;", '\n': "&#10;"}

// appendText appends s as character data of an element.
func appendText[T string | []byte](b []byte, s T) []byte { return appendEscaped(b, s, false) }

// appendAttribute appends s as the value of an attribute in double quotes.
func appendAttribute(b []byte, s string) []byte { return appendEscaped(b, s, true) }

func appendEscaped[T string | []byte](b []byte, s T, quote bool) []byte {
	done := 0
	for i := range len(s) {
		c := s[i]
		if c > '>' || escapes[c] == "" || c == '"' && !quote {
			continue
		}
		b = append(b, s[done:i]...)
		b = append(b, escapes[c]...)
		done = i + 1
	}
	return append(b, s[done:]...)
}

// IsText reports whether s can be a feed's title or author: valid UTF-8, one
// line, without control characters.
func IsText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == 0xfffe || r == 0xffff
	})
}
