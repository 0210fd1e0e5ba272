package foreign

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"unicode/utf8"
)

// checkStart returns an error if a document is not XML at all; the error describes what it is instead.
func checkStart(body []byte) error {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return errors.New("is empty")
	case isHTML(body):
		return errors.New("is an HTML page, not a feed")
	case json.Valid(body):
		return errors.New("is JSON, and only Atom and RSS can be read")
	case body[0] != '<':
		return fmt.Errorf("is not well-formed XML: it begins with %q", startOf(body))
	}
	return nil
}

// notWellFormed adds the line to the error of an XML parser.
func notWellFormed(err error) error {
	if syntax, is := errors.AsType[*xml.SyntaxError](err); is {
		return fmt.Errorf("is not well-formed XML, line %d: %s", syntax.Line, syntax.Msg)
	}
	return err
}

// startOf returns the first characters of a text, for an error.
func startOf(body []byte) string {
	const most = 20
	end := min(len(body), most)
	for end < len(body) && !utf8.RuneStart(body[end]) {
		end++
	}
	return string(body[:end])
}
