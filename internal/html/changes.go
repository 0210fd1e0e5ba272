package html

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Bounds of the list of changed members.
const (
	shownMembers = 5
	shownMember  = 40 // characters of a name
	shownMeaning = 60 // characters of a value
	mostMembers  = 200
)

// change is a member of an event's data that differs from the data of the entity's event before it.
type change struct {
	Name, From, To     string // values as a page shows them
	IsAdded, IsRemoved bool   // without From, or without To
}

// changes are the first members that have changed, by name: those that are still there first.
type changes struct {
	Shown []change
	More  int // number of others
}

// changesOf compares two versions of an entity. There are no changes if one of the two is no JSON
// object, or if they have no member in common.
func changesOf(before, after *EntityVersion) (c changes) {
	old, now := before.members(), after.members()
	var all []change
	isCommon := false
	for _, name := range slices.Sorted(maps.Keys(now)) {
		value, found := old[name]
		isCommon = isCommon || found
		if !found || value != now[name] {
			all = append(all, change{Name: name, From: value, To: now[name], IsAdded: !found})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, found := now[name]; !found {
			all = append(all, change{Name: name, From: old[name], IsRemoved: true})
		}
	}
	if !isCommon {
		return changes{}
	}
	c.Shown = all[:min(len(all), shownMembers)]
	c.More = len(all) - len(c.Shown)
	for i := range c.Shown {
		c.Shown[i].show()
	}
	return c
}

// show replaces JSON by what a page shows of it.
func (c *change) show() {
	c.Name = clip(shownMember, plain(c.Name))
	from, to := meaning(c.From), meaning(c.To)
	if from == to { // as of "3" and 3, or of characters that cannot be seen
		from, to = visibleJSON(c.From), visibleJSON(c.To)
	}
	c.From, c.To = clipBoth(from, to)
}

// meaning returns JSON as people read it: a string without its quotes, unless nothing would be left.
func meaning(value string) string {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil && strings.HasPrefix(value, `"`) {
		if text = strings.Join(strings.Fields(plain(text)), " "); text != "" {
			return text
		}
	}
	return plain(value)
}

// visibleJSON returns JSON with an escape for each character that cannot be seen.
func visibleJSON(value string) string {
	var b bytes.Buffer
	writeString(&b, []byte(value), len(value))
	return b.String()
}

// clipBoth clips two texts. If they begin with the same characters, both are clipped where they differ.
func clipBoth(a, b string) (string, string) {
	const before = shownMeaning / 3 // characters that are kept before the difference
	x, y := []rune(a), []rune(b)
	same := 0
	for same < min(len(x), len(y)) && x[same] == y[same] {
		same++
	}
	if max(len(x), len(y)) > shownMeaning && same > before {
		a, b = "…"+string(x[same-before:]), "…"+string(y[same-before:])
	}
	return clip(shownMeaning, a), clip(shownMeaning, b)
}

// members returns the members of the version's data, each without white space between its tokens; none
// if the data is no JSON object, is cut or longer than EntityCut, or has too many.
func (v *EntityVersion) members() map[string]string {
	var raw map[string]json.RawMessage
	if !cloudevents.IsJSON(v.DataContentType) || v.DataSize > int64(min(len(v.Data), EntityCut)) || json.Unmarshal(v.Data, &raw) != nil || len(raw) > mostMembers {
		return nil
	}
	members := make(map[string]string, len(raw))
	for name, value := range raw {
		members[name] = compact(value, len(value))
	}
	return members
}
