package projection

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/jsontext"
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
