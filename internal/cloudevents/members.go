package cloudevents

import "github.com/eventfeed/eventfeed/event"

// maxMembers is how many members the JSON form of an event may have: extensions, the
// attributes of CloudEvents, and those that are left out of an event that came from
// a feed.
const maxMembers = event.MaxExtensions + 50

// hasManyMembers reports whether a JSON object has more than maxMembers members, as
// far as that shows without decoding it: once decoded each takes a hundred bytes.
func hasManyMembers(text []byte) bool {
	depth, members, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 1:
			if members++; members > maxMembers {
				return true
			}
		}
	}
	return false
}
