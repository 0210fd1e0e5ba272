// Package jsontext looks at the text of JSON (RFC 8259) where encoding/json does not: how
// deep it is, how many members an object has, what its strings escape. It decodes
// nothing and needs no memory.
package jsontext

import (
	"bytes"
	"strconv"
	"unicode/utf16"
)

// StringEnd returns the index behind the string that begins at i, or the text's length
// if that does not end.
func StringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// next returns the index of the next brace, bracket or colon from i on that is not in a
// string, or the text's length.
func next(text []byte, i int) int {
	for i < len(text) {
		switch text[i] {
		case '"':
			i = StringEnd(text, i)
			continue
		case '{', '}', '[', ']', ':':
			return i
		}
		i++
	}
	return len(text)
}

// IsDeeper reports whether JSON is nested more deeply than limit.
func IsDeeper(text []byte, limit int) bool {
	if bytes.Count(text, []byte{'['})+bytes.Count(text, []byte{'{'}) <= limit {
		return false
	}
	depth := 0
	for i := next(text, 0); i < len(text); i = next(text, i+1) {
		switch text[i] {
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// Members returns how many members a JSON object has, repeated ones included, or limit+1
// if there are more than limit: as many as there are colons in it and not in what it
// holds. The text need not be valid.
func Members(text []byte, limit int) (n int) {
	depth := 0
	for i := next(text, 0); i < len(text) && n <= limit; i = next(text, i+1) {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			if depth == 1 {
				n++
			}
		}
	}
	return n
}

// Escapes reports what no text can hold, and strings of valid JSON can escape: NUL, and
// half of a surrogate pair, for which encoding/json puts U+FFFD without a word.
func Escapes(text []byte) (hasNUL, hasHalfPair bool) {
	if !bytes.Contains(text, []byte(`\u`)) {
		return false, false
	}
	high := false // the character right before was the first half of a pair
	for i := 0; i < len(text); i++ {
		var unit rune
		switch {
		case text[i] == '\\' && text[i+1] == 'u':
			n, _ := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
			unit = rune(n)
			hasNUL = hasNUL || unit == 0
			i += 5
		case text[i] == '\\':
			i++
		}
		low := unit >= 0xdc00 && unit <= 0xdfff
		hasHalfPair = hasHalfPair || high != low
		high = utf16.IsSurrogate(unit) && !low
	}
	return hasNUL, hasHalfPair
}
