package projection

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Sample holds the events of a feed that were sampled, for Skeleton.
type Sample struct {
	Feed  string // the feed's name
	ID    string // the feed's id
	URL   string // the feed's URL, without credentials
	Last  int64  // position of the feed's last event
	count int64  // number of sampled events
	types map[string]*sampledType

	counted   int64 // position up to which SetCounts has counted; 0 if it was not called
	moreTypes bool  // the feed has more types than those of SetCounts
}

// sampledType holds the sampled events of a type.
type sampledType struct {
	counts                              []feed.TypeCount // of all its events, by dataschema; nil if unknown
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

// SetCounts sets the exact counts of the feed's types up to a position. more reports that the feed
// has more types than these.
func (s *Sample) SetCounts(counts []feed.TypeCount, position int64, more bool) {
	s.counted, s.moreTypes = position, more
	for _, c := range counts {
		t := s.typeOf(c.Type)
		t.counts = append(t.counts, c)
	}
}

// Unsampled returns the position of the last event of each type of SetCounts of which no event was
// added, the most frequent type first.
func (s *Sample) Unsampled() (positions []int64) {
	for _, name := range s.byCount() {
		if t := s.types[name]; t.count == 0 {
			_, last := t.between()
			positions = append(positions, last)
		}
	}
	return positions
}

// Has reports whether an event of a type was added.
func (s *Sample) Has(name string) bool {
	t := s.types[name]
	return t != nil && t.count > 0
}

// typeOf returns a type of the sample. It adds the type if it is new.
func (s *Sample) typeOf(name string) *sampledType {
	if s.types == nil {
		s.types = make(map[string]*sampledType)
	}
	t := s.types[name]
	if t == nil {
		t = &sampledType{fields: make(map[string]*sampledField)}
		s.types[strings.Clone(name)] = t // a clone, so that it does not keep the event's page in memory
	}
	return t
}

// events returns the number of the type's events: all of them if it is known, else the sampled ones.
func (t *sampledType) events() (n int64) {
	for _, c := range t.counts {
		n += c.Events
	}
	return max(n, t.count) // there may be new ones since
}

// between returns the first and the last position of the type's events.
func (t *sampledType) between() (first, last int64) {
	for i, c := range t.counts {
		if i == 0 || c.First < first {
			first = c.First
		}
		last = max(last, c.Last)
	}
	return first, last
}

// Add adds an event to the sample.
func (s *Sample) Add(e *event.Event) {
	t := s.typeOf(e.Type)
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
