package projection

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/jsontext"
)

// maxDepth is the maximum nesting depth of JSON in SQLite.
const maxDepth = 1000

// CheckJSON refuses data that PostgreSQL refuses as jsonb, so that SQLite accepts the same
// events, and data that SQLite would report as malformed.
func CheckJSON(data []byte) error {
	switch {
	case !utf8.Valid(data):
		return errors.New("is not UTF-8")
	case !json.Valid(data):
		return errors.New("is not JSON; data that is none comes as :data_bytes")
	case jsontext.IsDeeper(data, maxDepth):
		return errors.New("is nested more deeply than " + strconv.Itoa(maxDepth) + " levels")
	}
	switch hasNUL, hasHalfPair := jsontext.Escapes(data); {
	case hasNUL:
		return errors.New(`holds \u0000, which no text can hold`)
	case hasHalfPair:
		return errors.New(`holds \u with half of a surrogate pair`)
	}
	return nil
}
