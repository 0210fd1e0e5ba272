package projection

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
)

// Sample holds the events of a feed that were sampled, for Skeleton.
type Sample struct {
	Feed  string // the feed's name
	ID    string // the feed's id
	URL   string // the feed's URL, without credentials
	Last  int64  // position of the feed's last event
	count int64  // number of sampled events
	types map[string]*sampledType
}

// sampledType holds the sampled events of a type.
type sampledType struct {
	count                               int64
	withJSON, withOther, withoutSubject int64
	fields                              map[string]*sampledField // by path
	more                                bool                     // there are more fields than maxFields
}

// sampledField is a member of JSON data, at the top or one level below.
type sampledField struct {
	path  []string
	count int64 // number of events that have the field
	kinds map[string]bool
}

// maxFields is the maximum number of fields of a type, because some data has values as keys.
const maxFields = 60

// Add adds an event to the sample.
func (s *Sample) Add(e *event.Event) {
	if s.types == nil {
		s.types = make(map[string]*sampledType)
	}
	t := s.types[e.Type]
	if t == nil {
		t = &sampledType{fields: make(map[string]*sampledField)}
		s.types[strings.Clone(e.Type)] = t // a clone, so that it does not keep the event's page in memory
	}
	s.count++
	t.count++
	if e.Subject == "" {
		t.withoutSubject++
	}
	switch {
	case len(e.Data) == 0:
	case CheckJSON(e.Data) != nil:
		t.withOther++
	default:
		t.withJSON++
		t.addObject(nil, e.Data)
	}
}

// addObject adds the members of data, if it is a JSON object.
func (t *sampledType) addObject(path []string, data []byte) {
	var members map[string]json.RawMessage
	if data = bytes.TrimSpace(data); data[0] != '{' || json.Unmarshal(data, &members) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		own := append(slices.Clone(path), name)
		key := strings.Join(own, "\x00")
		f := t.fields[key]
		if f == nil && len(t.fields) >= maxFields {
			t.more = true
			continue
		}
		if f == nil {
			f = &sampledField{path: own, kinds: make(map[string]bool)}
			t.fields[key] = f
		}
		f.count++
		f.kinds[kindOf(members[name])] = true
		if len(path) == 0 {
			t.addObject(own, members[name])
		}
	}
}

// kindOf returns the kind of a JSON value.
func kindOf(value []byte) string {
	switch bytes.TrimSpace(value)[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(value, ".eE") {
		return "number"
	}
	return "integer"
}

// kindList returns the kinds of a field's values. If one number is not an integer, all are numbers.
func (f *sampledField) kindList() string {
	kinds := maps.Clone(f.kinds)
	if kinds["number"] {
		delete(kinds, "integer")
	}
	list := slices.Sorted(maps.Keys(kinds))
	if i := slices.Index(list, "null"); i >= 0 && len(list) > 1 {
		list = append(slices.Delete(list, i, i+1), "null")
	}
	return strings.Join(list, " or ")
}
