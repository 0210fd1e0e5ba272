package cloudevents

import "github.com/eventfeed/eventfeed/event"

// Principal returns who caused an event, for people, by the extension attributes of
// CloudEvents' Auth Context: an id, a kind in brackets, or both; empty if it has
// neither.
func Principal(e *event.Event) string {
	id, kind := e.Extensions["authid"], e.Extensions["authtype"]
	switch {
	case id == "":
		return kind
	case kind == "":
		return id
	default:
		return id + " (" + kind + ")"
	}
}
