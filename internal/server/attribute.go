package server

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// checkAttribute returns an error if no event can have this value of an attribute, of which most is the
// maximum number of bytes. The databases differ in what they say to such a value.
func checkAttribute(name, value string, most int) error {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return refuse(http.StatusBadRequest, fmt.Sprintf("the %s is %s, which is not text in UTF-8, so no event has it", name, quote(value)))
	case len(value) > most:
		return refuse(http.StatusBadRequest, fmt.Sprintf("the %s has %d bytes, and that of an event at most %d, so no event has it", name, len(value), most))
	}
	return nil
}
