package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

const attributePrefix = "ce-"

// isBinary reports whether a request has the headers of binary mode. One is
// enough: then what is missing can be named.
func isBinary(header http.Header) bool {
	for _, name := range []string{"ce-specversion", "ce-id", "ce-source", "ce-type"} {
		if len(header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// parseBinary reads binary mode (HTTP binding, section 3.1): attributes in
// headers, data as it is in the body, its type in Content-Type.
func parseBinary(header http.Header, contentType string, read func() ([]byte, error)) ([]event.Event, error) {
	data, err := readData(read)
	if err != nil {
		return nil, err
	}
	attributes, err := headerAttributes(header)
	if err == nil {
		if contentType != "" {
			attributes["datacontenttype"] = contentType
		}
		var e event.Event
		if e, err = cloudevents.FromAttributes(attributes, data); err == nil {
			e, err = accept(e, sentAgain)
		}
		if err == nil {
			return []event.Event{e}, nil
		}
	}
	refused := refuse(err)
	refused.Number, refused.ID = 1, attributes["id"]
	return nil, refused
}

// headerAttributes returns the attributes that headers hold, by name. On an
// error too: those before it.
func headerAttributes(header http.Header) (map[string]string, error) {
	attributes := make(map[string]string)
	if id, err := decodeValue(header.Get("ce-id")); err == nil {
		attributes["id"] = id // first, because errors name it
	}
	for key, values := range header {
		if len(key) < len(attributePrefix) || !strings.EqualFold(key[:len(attributePrefix)], attributePrefix) {
			continue
		}
		name := strings.ToLower(key[len(attributePrefix):])
		switch {
		case name == "datacontenttype":
			return attributes, errors.New("header ce-datacontenttype must be absent; the type of the data is in Content-Type")
		case len(values) != 1:
			return attributes, fmt.Errorf("header ce-%.80s is there %d times", name, len(values))
		}
		value, err := decodeValue(values[0])
		if err != nil {
			return attributes, fmt.Errorf("header ce-%.80s: %w", name, err)
		}
		attributes[name] = value
	}
	return attributes, nil
}

// decodeValue undoes what section 3.1.3.2 has done to an attribute's value: first
// double quotes, which older versions had, then percent-encoding, once. That the
// result is UTF-8 is checked with everything else about it.
func decodeValue(value string) (string, error) {
	value = strings.Trim(value, " \t")
	if strings.HasPrefix(value, `"`) {
		unquoted, ok := unquote(value)
		if !ok {
			return "", fmt.Errorf("%.80s is not a whole string in double quotes", value)
		}
		value = unquoted
	}
	text, err := url.PathUnescape(value)
	if err != nil {
		return "", fmt.Errorf("%.80q is not percent-encoded: %w", value, err)
	}
	return text, nil
}

// unquote undoes a quoted-string of RFC 9110, section 5.6.4.
func unquote(quoted string) (string, bool) {
	var text strings.Builder
	for i := 1; i < len(quoted); i++ {
		if quoted[i] == '"' {
			return text.String(), i == len(quoted)-1
		}
		if quoted[i] == '\\' {
			if i++; i == len(quoted) {
				break
			}
		}
		text.WriteByte(quoted[i])
	}
	return "", false
}

func readData(read func() ([]byte, error)) ([]byte, error) {
	data, err := read()
	if err != nil {
		return nil, unreadable(err)
	}
	if len(data) > event.MaxSize {
		return nil, unreadable(fmt.Errorf("%w: the data has more than %d bytes", event.ErrTooLarge, event.MaxSize))
	}
	return data, nil
}
