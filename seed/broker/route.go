package broker

import (
	"fmt"
	"regexp"
	"strings"
)

// DefaultRoute is the route of a publisher that names none.
const DefaultRoute = "{feed}.{type}"

// Route is a template of the name under which a broker routes a message: a routing key, or a
// subject.
type Route struct{ parts []part }

// part is text, or an attribute of the message.
type part struct {
	text  string
	value func(*Message) string
}

// field matches what stands in braces, and a brace that is left alone.
var field = regexp.MustCompile(`\{[^{}]*\}|[{}]`)

// ParseRoute parses a template of text and the fields {feed}, {type} and {subject}. Empty means
// DefaultRoute.
func ParseRoute(template string) (r Route, err error) {
	if template == "" {
		template = DefaultRoute
	}
	for rest := template; rest != ""; {
		at := field.FindStringIndex(rest)
		if at == nil {
			r.parts = append(r.parts, part{text: rest})
			break
		}
		if at[0] > 0 {
			r.parts = append(r.parts, part{text: rest[:at[0]]})
		}
		p := part{}
		switch name := rest[at[0]:at[1]]; name {
		case "{feed}":
			p.value = func(m *Message) string { return m.Feed }
		case "{type}":
			p.value = func(m *Message) string { return m.Type }
		case "{subject}":
			p.value = func(m *Message) string { return m.Subject }
		default:
			return Route{}, fmt.Errorf("route %q: %s is none of {feed}, {type} and {subject}", template, name)
		}
		r.parts, rest = append(r.parts, p), rest[at[1]:]
	}
	return r, nil
}

// Of returns the route of a message. encode is applied to the values of attributes; nil keeps
// them as they are.
func (r Route) Of(m *Message, encode func(string) string) string {
	var b strings.Builder
	for _, p := range r.parts {
		switch {
		case p.value == nil:
			b.WriteString(p.text)
		case encode == nil:
			b.WriteString(p.value(m))
		default:
			b.WriteString(encode(p.value(m)))
		}
	}
	return b.String()
}
