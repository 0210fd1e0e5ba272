package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseJSON reads an event in the JSON format of CloudEvents 1.0 and returns
// it in normal form. JSON data is kept to the byte, white space and all.
func ParseJSON(text []byte) (Event, error) {
	if !utf8.Valid(text) {
		return Event{}, errors.New("not valid UTF-8")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return Event{}, fmt.Errorf("not a JSON object: %w", err)
	}
	if members == nil {
		return Event{}, errors.New("not a JSON object: null")
	}
	var e Event
	if id, ok := members["id"]; ok { // first, because errors name it
		if err := e.setMember("id", id); err != nil {
			return Event{}, err
		}
		delete(members, "id")
	}
	data, hasData := members["data"]
	base64Data, hasBase64 := members["data_base64"]
	delete(members, "data")
	delete(members, "data_base64")
	for name, value := range members {
		if err := e.setMember(name, value); err != nil {
			return Event{}, fmt.Errorf("event %q: %w", e.ID, err)
		}
	}
	if version := members["specversion"]; version == nil || string(version) == "null" {
		return Event{}, fmt.Errorf(`event %q: not a CloudEvent: specversion is missing, it must be "1.0"`, e.ID)
	}
	var err error
	switch {
	case hasData && hasBase64:
		err = errors.New("has both data and data_base64")
	case hasData:
		err = e.setData(data)
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
		return Event{}, fmt.Errorf("event %q: %w", e.ID, err)
	}
	return e.Normal()
}

func (e *Event) setMember(name string, value json.RawMessage) error {
	if bytes.Equal(value, []byte("null")) {
		return nil // JSON format, section 2.2: null is the same as left out
	}
	text, err := memberString(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if coreAttributes[name] && value[0] != '"' {
		return fmt.Errorf("%s: must be a string, not %s", name, value)
	}
	switch name {
	case "specversion":
		if text != "1.0" {
			return fmt.Errorf(`specversion %q is not known, only "1.0" is`, text)
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
			return "", fmt.Errorf("%s is not an Integer of CloudEvents (32 bits, no fraction)", value)
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
	if strings.ContainsRune(s, utf8.RuneError) && hasLoneSurrogate(value) {
		return "", errors.New("holds half of a surrogate pair")
	}
	return s, nil
}

// hasLoneSurrogate looks through the escapes of a valid JSON string.
func hasLoneSurrogate(value []byte) bool {
	high := false // the escape right before was the first half of a pair
	for i := 0; i < len(value); i++ {
		half := rune(0)
		if value[i] == '\\' {
			i++
			if value[i] == 'u' {
				n, _ := strconv.ParseUint(string(value[i+1:i+5]), 16, 16)
				half, i = rune(n), i+4
			}
		}
		switch isLow := half >= 0xdc00 && half <= 0xdfff; {
		case high != isLow:
			return true
		default:
			high = half >= 0xd800 && half <= 0xdbff
		}
	}
	return high
}

// setData follows the JSON format, section 3.1: under a JSON type, or none,
// data is the JSON text itself, under any other a string holds the data.
func (e *Event) setData(value json.RawMessage) error {
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

// IsJSON reports whether a media type says that data is JSON.
func IsJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "text/json" || media == "application/json" || strings.HasSuffix(media, "+json"))
}
