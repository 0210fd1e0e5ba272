package feed

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
)

// TypeKey is what a feed's events are counted by: their type together with their dataschema.
type TypeKey struct {
	Type       string `json:"type"`
	DataSchema string `json:"dataschema,omitempty"` // empty for events without one
}

// Compare orders keys by type and then by dataschema, each byte by byte, as both databases do.
func (k TypeKey) Compare(other TypeKey) int {
	return cmp.Or(strings.Compare(k.Type, other.Type), strings.Compare(k.DataSchema, other.DataSchema))
}

// TypeCount says how many events of a feed have a type and a dataschema, and where the first and
// the last of them are.
type TypeCount struct {
	TypeKey
	Events int64 `json:"events"`
	First  int64 `json:"first"` // position
	Last   int64 `json:"last"`  // position
}

// TypeCounts counts the events of a feed by type and dataschema.
type TypeCounts map[TypeKey]TypeCount

// Add counts an event at a position.
func (c TypeCounts) Add(position int64, e *event.Event) {
	key := TypeKey{e.Type, e.DataSchema}
	count, there := c[key]
	if !there { // clones, so that they do not keep the event's page in memory
		key = TypeKey{strings.Clone(key.Type), strings.Clone(key.DataSchema)}
		count = TypeCount{TypeKey: key, First: position}
	}
	count.Events++
	count.Last = position
	c[key] = count
}

// Merge adds the counts of other events. Their positions may be anywhere, but none of them may have
// been counted before.
func (c TypeCounts) Merge(others []TypeCount) {
	for _, other := range others {
		if count, there := c[other.TypeKey]; there {
			other.Events += count.Events
			other.First, other.Last = min(count.First, other.First), max(count.Last, other.Last)
		}
		c[other.TypeKey] = other
	}
}

// Sorted returns the counts in the order of their keys.
func (c TypeCounts) Sorted() []TypeCount {
	return slices.SortedFunc(maps.Values(c), func(a, b TypeCount) int { return a.Compare(b.TypeKey) })
}

// ArchivedTypes are the first types of the archived events of a feed, in order.
type ArchivedTypes struct {
	To     int64 // position of the last archived event
	Counts []TypeCount
	More   bool // there are more types than Counts has
}

// Types returns the number of events of each type, whatever their dataschema, up to the document's
// end; the most frequent first. It returns false if that is not known: the document is no
// subscription document of a log, or its feed has too many types. See [ArchivedTypes].
func (d *Document) Types() ([]TypeCount, bool) {
	archived := d.Archived
	if archived == nil || archived.More {
		return nil, false
	}
	counts := make(TypeCounts)
	for _, count := range archived.Counts {
		count.DataSchema = ""
		counts.Merge([]TypeCount{count})
	}
	for i := range d.Entries {
		if e := &d.Entries[i]; e.Position > archived.To {
			counts.Add(e.Position, &event.Event{Type: e.Type})
		}
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b TypeCount) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), a.Compare(b.TypeKey))
	}), true
}

// TypesDocument is the JSON document of a feed's types, or of a part of them if there are many.
type TypesDocument struct {
	Feed     string      `json:"feed"`
	ID       string      `json:"id"`             // the feed's
	Position int64       `json:"position"`       // the events up to here are counted
	Types    []TypeCount `json:"types"`          // by type and dataschema
	More     bool        `json:"more"`           // there are more types after these
	Next     string      `json:"next,omitempty"` // reference to them, relative to the document's URL
}

// The relation and the media type of the link from a subscription document to the feed's types, in
// the header of its answer.
const (
	TypesRelation = "describedby"
	TypesType     = "application/json"
)

// MaxTypes is the maximum number of types in one document.
const MaxTypes = 1000

// TypesReference is the reference from a feed's own URL to that of its types.
func TypesReference(name string) string { return name + "/types" }

// TypesPath is the path of a feed's types below the server's root.
func TypesPath(name string) string { return SubscriptionPath(name) + "/types" }

// TypesAfter is the query of the types after a key: a reference from the URL of a feed's types, or
// of any part of them.
func TypesAfter(key TypeKey) string {
	query := url.Values{"after": {key.Type}}
	if key.DataSchema != "" {
		query.Set("dataschema", key.DataSchema)
	}
	return "?" + query.Encode()
}
