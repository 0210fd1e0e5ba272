package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/bom"
	"github.com/eventfeed/eventfeed/internal/jsontext"
)

// ParseJSON reads an event in the JSON format of CloudEvents 1.0 and returns
// it in normal form. JSON data is kept to the byte, white space and all. A member of
// the event that is there twice is an error; inside of data it is none.
func ParseJSON(text []byte) (event.Event, error) {
	members, err := parseObject(text)
	if err != nil {
		return event.Event{}, err
	}
	var e event.Event
	if id, ok := members["id"]; ok { // first, because errors name it
		if err := setMember(&e, "id", id); err != nil {
			return event.Event{}, err
		}
		delete(members, "id")
	}
	data, hasData := members["data"]
	base64Data, hasBase64 := members["data_base64"]
	delete(members, "data")
	delete(members, "data_base64")
	for name, value := range members {
		if err := setMember(&e, name, value); err != nil {
			return event.Event{}, fmt.Errorf("event %.80q: %w", e.ID, err)
		}
	}
	if version := members["specversion"]; version == nil || string(version) == "null" {
		return event.Event{}, noVersion(e.ID)
	}
	switch {
	case hasData && hasBase64:
		err = errors.New("has both data and data_base64")
	case hasData:
		err = setData(&e, data)
	case hasBase64:
		var encoded string
		if err = json.Unmarshal(base64Data, &encoded); err == nil {
			e.Data, err = base64.StdEncoding.DecodeString(encoded)
		}
		if err != nil {
			err = fmt.Errorf("data_base64: %w", err)
		}
	}
	if err != nil {
		return event.Event{}, fmt.Errorf("event %.80q: %w", e.ID, err)
	}
	return Normal(e)
}

func noVersion(id string) error {
	return fmt.Errorf(`event %.80q: not a CloudEvent: specversion is missing, it must be "1.0"`, id)
}

// FromAttributes returns the event in normal form that has these attributes, by
// name as canonical CloudEvents strings, and this data. That is how a protocol's
// binary mode carries an event. The specversion must be among them.
func FromAttributes(attributes map[string]string, data []byte) (event.Event, error) {
	e := event.Event{Data: data}
	for name, text := range attributes {
		if err := setAttribute(&e, name, text); err != nil {
			return event.Event{}, fmt.Errorf("event %.80q: %w", attributes["id"], err)
		}
	}
	if attributes["specversion"] == "" {
		return event.Event{}, noVersion(attributes["id"])
	}
	return Normal(e)
}

// maxMembers is how many members the JSON form of an event may have: extensions, the
// attributes of CloudEvents, and those that are left out of an event that came from
// a feed.
const maxMembers = event.MaxExtensions + 50

// parseObject reads the members of a JSON object, each of which must be there once:
// readers differ in which of two they take (RFC 8259, section 4).
func parseObject(text []byte) (members map[string]json.RawMessage, err error) {
	if bytes.HasPrefix(text, bom.Mark) {
		return nil, errors.New("begins with a byte order mark (U+FEFF), which may only stand at the beginning of a whole file or body")
	}
	if at := invalidUTF8(text); at >= 0 {
		return nil, fmt.Errorf("not valid UTF-8 at byte %d", at+1)
	}
	count := jsontext.Members(text, maxMembers) // once decoded each takes a hundred bytes
	if count > maxMembers {
		return nil, errTooMany()
	}
	err = json.Unmarshal(text, &members)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("not a JSON object: %w, at byte %d", err, syntax.Offset)
	}
	if other, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, fmt.Errorf("not a JSON object, but: %s", other.Value)
	}
	switch {
	case err != nil:
		return nil, err
	case members == nil:
		return nil, errors.New("not a JSON object, but: null")
	case count != len(members):
		return nil, fmt.Errorf("has the member %.80q twice", repeated(text))
	}
	return members, nil
}

// repeated returns the first name of a member that a valid JSON object has twice.
func repeated(text []byte) string {
	seen := make(map[string]bool)
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, err := decoder.Token() // the brace
	for err == nil {
		var name json.Token
		if name, err = decoder.Token(); err != nil {
			break
		}
		text, _ := name.(string)
		if seen[text] {
			return text
		}
		seen[text] = true
		var value json.RawMessage
		err = decoder.Decode(&value)
	}
	return ""
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, -1 if
// there is none.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for at := 0; ; {
		r, width := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && width <= 1 {
			return at
		}
		at += width
	}
}

func setMember(e *event.Event, name string, value json.RawMessage) error {
	if bytes.Equal(value, []byte("null")) {
		return nil // JSON format, section 2.2: null is the same as left out
	}
	text, err := memberString(value)
	if err != nil {
		return fmt.Errorf("%.80s: %w", name, err)
	}
	if coreAttributes[name] && value[0] != '"' {
		return fmt.Errorf("%s: must be a string, not %.80s", name, value)
	}
	return setAttribute(e, name, text)
}

// setAttribute sets one that is there, by its name, to its canonical string.
func setAttribute(e *event.Event, name, text string) (err error) {
	switch name {
	case "specversion":
		if text != "1.0" {
			return fmt.Errorf(`specversion %.80q is not supported, only "1.0" is`, text)
		}
	case "id":
		e.ID = text
	case "source":
		e.Source = text
	case "type":
		e.Type = text
	case "subject":
		e.Subject = text
	case "datacontenttype":
		e.DataContentType = text
	case "dataschema":
		e.DataSchema = text
	case "time":
		e.Time, err = ParseTime(text)
		return err
	default:
		if e.Extensions == nil {
			e.Extensions = make(map[string]string)
		}
		e.Extensions[name] = text
	}
	return nil
}

// memberString returns the canonical string of a CloudEvents attribute value:
// strings as they are, Boolean and Integer as JSON writes them.
func memberString(value json.RawMessage) (string, error) {
	switch c := value[0]; {
	case c == '"':
		return unquote(value)
	case c == 't' || c == 'f':
		return string(value), nil
	case c == '-' || c >= '0' && c <= '9':
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil {
			return "", fmt.Errorf("%.80s is not an Integer of CloudEvents (32 bits, no fraction)", value)
		}
		return strconv.FormatInt(n, 10), nil
	default:
		return "", errors.New("must be a string, a Boolean or an Integer")
	}
}

// unquote reads a JSON string. It refuses half of a surrogate pair, for which
// encoding/json puts U+FFFD without a word.
func unquote(value json.RawMessage) (s string, err error) {
	if err := json.Unmarshal(value, &s); err != nil {
		return "", err
	}
	if strings.ContainsRune(s, utf8.RuneError) {
		if _, hasHalfPair := jsontext.Escapes(value); hasHalfPair {
			return "", errors.New("holds half of a surrogate pair")
		}
	}
	return s, nil
}

// setData follows the JSON format, section 3.1: under a JSON type, or none,
// data is the JSON text itself, under any other a string holds the data.
func setData(e *event.Event, value json.RawMessage) error {
	if e.DataContentType == "" {
		e.DataContentType = "application/json"
	}
	if !IsJSON(e.DataContentType) && value[0] == '"' {
		s, err := unquote(value)
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		e.Data = []byte(s)
		return nil
	}
	e.Data = value
	return nil
}

// IsJSON reports whether a media type says that data is JSON: without its
// parameters it is */json or */*+json (JSON format, section 3.1.1).
func IsJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	_, subtype, _ := strings.Cut(strings.ToLower(strings.TrimSpace(media)), "/")
	return subtype == "json" || strings.HasSuffix(subtype, "+json")
}
