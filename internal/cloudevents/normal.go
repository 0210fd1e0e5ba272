package cloudevents

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
)

func errTooMany() error {
	return fmt.Errorf("%w: the limit is %d", event.ErrTooMany, event.MaxExtensions)
}

// coreAttributes cannot be names of extensions.
var coreAttributes = map[string]bool{
	"specversion": true, "id": true, "source": true, "type": true, "subject": true,
	"time": true, "datacontenttype": true, "dataschema": true, "data": true,
}

// Normal returns e in normal form: time in UTC, truncated to microseconds, no
// empty maps or slices. It returns an error that names the attribute if e
// cannot be published: without a type, with text that CloudEvents forbids, with a
// source or dataschema that is not the URI that it must be, or over a limit.
func Normal(e event.Event) (event.Event, error) {
	if !e.Time.IsZero() {
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
	}
	if len(e.Extensions) == 0 {
		e.Extensions = nil
	}
	if len(e.Data) == 0 {
		e.Data = nil
	}
	if err := check(&e); err != nil {
		return event.Event{}, fmt.Errorf("event %.80q: %w", e.ID, err)
	}
	return e, nil
}

// Complete reports what a published event cannot be without: id, source, type
// and time.
func Complete(e *event.Event) error {
	for _, a := range []struct {
		name  string
		there bool
	}{{"id", e.ID != ""}, {"source", e.Source != ""}, {"type", e.Type != ""}, {"time", !e.Time.IsZero()}} {
		if !a.there {
			return fmt.Errorf("event %.80q: %s is missing", e.ID, a.name)
		}
	}
	return nil
}

func check(e *event.Event) error {
	if e.Type == "" {
		return errors.New("type is missing")
	}
	for _, a := range [...]struct {
		name, value string
		limit       int
	}{
		{"id", e.ID, event.MaxID},
		{"source", e.Source, event.MaxAttribute},
		{"type", e.Type, event.MaxAttribute},
		{"subject", e.Subject, event.MaxAttribute},
		{"datacontenttype", e.DataContentType, event.MaxAttribute},
		{"dataschema", e.DataSchema, event.MaxAttribute},
	} {
		if len(a.value) > a.limit {
			return fmt.Errorf("%s has %d bytes, the limit is %d", a.name, len(a.value), a.limit)
		}
		if err := checkString(a.name, a.value); err != nil {
			return err
		}
	}
	switch {
	case e.Source != "" && !IsURIReference(e.Source):
		return fmt.Errorf("source %.80q: %w", e.Source, errNotURIReference)
	case e.DataSchema != "" && !IsURI(e.DataSchema):
		return fmt.Errorf("dataschema %.80q: %w", e.DataSchema, errNotURI)
	}
	if year := e.Time.Year(); year < 1 || year > 9999 {
		return fmt.Errorf("time: year %d is outside 1 to 9999", year)
	}
	if len(e.Extensions) > event.MaxExtensions {
		return errTooMany()
	}
	for name, value := range e.Extensions {
		if err := checkName(name); err != nil {
			return err
		}
		if err := checkString(name, value); err != nil {
			return err
		}
	}
	if size := Size(e) + room(e); size > event.MaxSize {
		return fmt.Errorf("%w: %d bytes, the limit is %d", event.ErrTooLarge, size, event.MaxSize)
	}
	return nil
}

// room is what filling in the attributes that were left out may take: a UUID,
// a feed's name behind a slash, a time.
func room(e *event.Event) (n int) {
	if e.ID == "" {
		n += 36
	}
	if e.Source == "" {
		n += 64
	}
	if e.Time.IsZero() {
		n += len("2006-01-02T15:04:05.000000Z")
	}
	return n
}

// checkName holds extension names to CloudEvents 1.0, section 3.1.
func checkName(name string) error {
	if name == "" || len(name) > event.MaxName {
		return fmt.Errorf("extension name %.80q: must have 1 to %d characters", name, event.MaxName)
	}
	if coreAttributes[name] {
		return fmt.Errorf("extension name %.80q: is the name of an attribute of its own", name)
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return fmt.Errorf("extension name %.80q: only a-z and 0-9 are allowed", name)
		}
	}
	return nil
}

// checkString holds attributes to the String type of CloudEvents 1.0, section
// 3.2: no control characters, no surrogates, no noncharacters.
func checkString(name, s string) error {
	for i := 0; i < len(s); {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			return fmt.Errorf("%s is not valid UTF-8", name)
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			return fmt.Errorf("%s holds the control character %U", name, r)
		case r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
			return fmt.Errorf("%s holds the noncharacter %U", name, r)
		}
		i += width
	}
	return nil
}
