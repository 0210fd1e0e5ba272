// Package terminal makes text safe to be shown to people. What comes from events,
// feeds, databases and arguments may hold escape sequences, which a terminal obeys,
// and characters that hide, reorder or break lines. All of them are shown as visible
// escapes, such as \x1b, \u202e and \n.
package terminal

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Visible reports whether a character is shown as it is: a letter, mark, number,
// punctuation, symbol or space. Control and format characters are not, nor are
// line and paragraph separators, unassigned and private characters, fillers and
// variation selectors.
func Visible(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r < 0x7f
	}
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Line returns text as a part of one line: line breaks and tabs are escaped too.
func Line(text string) string {
	return string(escape([]byte(text), "", goEscape))
}

// Text returns text of several lines: its line breaks and tabs stay. It must not be
// given a value of somebody else's, which could then look like a line of the
// program's own.
func Text(text string) string {
	return string(escape([]byte(text), "\n\t", goEscape))
}

// JSON returns a JSON text with the same meaning, in which every character that is
// not Visible is escaped as JSON does it. Invalid UTF-8 must not be in it.
func JSON(text []byte) []byte {
	return escape(text, "\n\t\r", jsonEscape)
}

// escape replaces what is not visible, and not one of the characters to keep. It
// returns text itself if there is none.
func escape(text []byte, keep string, as func(dst []byte, r rune, raw []byte) []byte) []byte {
	var escaped []byte // nil until something differs
	done := 0          // what of text is in escaped
	for i := 0; i < len(text); {
		r, width := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, width = utf8.DecodeRune(text[i:])
		}
		invalid := r == utf8.RuneError && width == 1
		if invalid || !Visible(r) && !kept(keep, r) {
			escaped = append(escaped, text[done:i]...)
			escaped = as(escaped, r, text[i:i+width])
			done = i + width
		}
		i += width
	}
	if escaped == nil {
		return text
	}
	return append(escaped, text[done:]...)
}

func kept(keep string, r rune) bool {
	for _, k := range keep {
		if r == k {
			return true
		}
	}
	return false
}

// goEscape appends a character as a Go string literal writes it.
func goEscape(dst []byte, r rune, raw []byte) []byte {
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case len(raw) == 1:
		return fmt.Appendf(dst, `\x%02x`, raw[0])
	case r > 0xffff:
		return fmt.Appendf(dst, `\U%08x`, r)
	default:
		return fmt.Appendf(dst, `\u%04x`, r)
	}
}
