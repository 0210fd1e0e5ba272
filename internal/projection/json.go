package projection

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deeply JSON may be nested for SQLite.
const maxDepth = 1000

// CheckJSON refuses what PostgreSQL refuses as jsonb, so that the same events
// pass on SQLite, and what SQLite would call malformed.
func CheckJSON(data []byte) error {
	switch {
	case !utf8.Valid(data):
		return errors.New("is not UTF-8")
	case !json.Valid(data):
		return errors.New("is not JSON; data that is none comes as :data_bytes")
	case bytes.Count(data, []byte{'['})+bytes.Count(data, []byte{'{'}) > maxDepth && depth(data) > maxDepth:
		return errors.New("is nested more deeply than " + strconv.Itoa(maxDepth) + " levels")
	case bytes.Contains(data, []byte(`\u`)):
		return checkEscapes(data)
	}
	return nil
}

// depth is how deeply valid JSON is nested.
func depth(data []byte) (deepest int) {
	at, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == '[' || c == '{'):
			at++
			deepest = max(deepest, at)
		case !quoted && (c == ']' || c == '}'):
			at--
		}
	}
	return deepest
}

// checkEscapes refuses \u0000, which no text of a database can hold, and half of
// a surrogate pair. The data is valid JSON.
func checkEscapes(data []byte) error {
	high := false // the last character was the first half of a pair
	for i := 0; i < len(data); i++ {
		var unit rune
		if data[i] == '\\' && data[i+1] == 'u' {
			n, _ := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
			unit = rune(n)
			i += 5
			if unit == 0 {
				return errors.New(`holds \u0000, which no text can hold`)
			}
		} else if data[i] == '\\' {
			i++
		}
		low := unit >= 0xdc00 && unit <= 0xdfff
		if high != low {
			return errors.New(`holds \u with half of a surrogate pair`)
		}
		high = utf16.IsSurrogate(unit) && !low
	}
	return nil
}
