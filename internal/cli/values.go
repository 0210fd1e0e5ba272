package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// expected says, by the type of a flag, what its value has to be.
var expected = map[string]string{
	"bool":     "expected true or false",
	"duration": "expected a duration with its unit, such as 90s, 5m or 1h30m",
	"float64":  "expected a number, such as 0.5",
	"int":      "expected a whole number",
	"int64":    "expected a whole number",
	"uint":     "expected a whole number that is not negative",
	"uint64":   "expected a whole number that is not negative",
}

// valueError returns an error of setting a flag in words that say which value was
// expected, where Go's parser of the flag's type wrote the error. It returns any other
// error as it is.
func valueError(err error) error {
	invalid, is := errors.AsType[*pflag.InvalidValueError](err)
	if !is || !isParserError(invalid.Unwrap()) {
		return err
	}
	want, known := expected[invalid.GetFlag().Value.Type()]
	if !known {
		return err
	}
	if errors.Is(err, strconv.ErrRange) {
		want += " closer to 0"
	}
	return fmt.Errorf("invalid argument %q for %q flag: %s", invalid.GetValue(), "--"+invalid.GetFlag().Name, want)
}

// isParserError reports whether strconv or time wrote an error, which has no type there.
func isParserError(err error) bool {
	_, isNumber := errors.AsType[*strconv.NumError](err)
	return isNumber || err != nil && strings.HasPrefix(err.Error(), "time: ")
}
