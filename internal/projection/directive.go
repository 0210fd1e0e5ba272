package projection

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// directive matches the first line of a block; nearly matches a line that may be meant as
	// one.
	directive = regexp.MustCompile(`^--[ \t]+on[ \t]+(\S.*)$`)
	nearly    = regexp.MustCompile(`(?i)^--+[ \t]*on([ \t:]|$)`)
)

const headForm = `a block begins with a line such as: -- on OrderShipped, orders/OrderCreated`

// looksLikeHead reports whether a comment is the first line of a block, or similar to one.
func looksLikeHead(comment string) bool { return nearly.MatchString(comment) }

// parseHead parses a comment that looks like the first line of a block.
func parseHead(comment string) (names []typeName, live bool, err error) {
	match := directive.FindStringSubmatch(strings.TrimRight(comment, " \t\r"))
	if match == nil {
		return nil, false, fmt.Errorf("%.80q looks like the head of a block; %s; a comment begins with another word than on", comment, headForm)
	}
	h := &headReader{rest: match[1]}
	for {
		name, err := h.typeName()
		if err != nil {
			return nil, false, err
		}
		names = append(names, name)
		h.skipSpace()
		switch {
		case h.take(","):
			h.skipSpace()
		case h.rest == "":
			return names, false, nil
		case h.rest == "live":
			return names, true, nil
		default:
			return nil, false, fmt.Errorf("%.80q: after a type comes a comma, the word live as the last one, or nothing; put names with spaces in double quotes", h.rest)
		}
	}
}

type headReader struct{ rest string }

func (h *headReader) skipSpace() { h.rest = strings.TrimLeft(h.rest, " \t") }

func (h *headReader) take(prefix string) bool {
	rest, found := strings.CutPrefix(h.rest, prefix)
	h.rest = rest
	return found
}

// typeName parses TYPE or FEED/TYPE.
func (h *headReader) typeName() (n typeName, err error) {
	bare := h.rest
	if n.event, err = h.name("/"); err != nil {
		return n, err
	}
	if !h.take("/") {
		if n.event == "live" && bare[0] != '"' {
			return n, errors.New(`live comes after the last type, without a comma; put a type of that name in double quotes: "live"`)
		}
		return n, noWildcard(n.event, bare)
	}
	n.feed = n.event
	if strings.HasPrefix(h.rest, "/") {
		return n, fmt.Errorf(`%s//…: put a type that holds slashes in double quotes: "%s//…"`, n.feed, n.feed)
	}
	bare = h.rest
	if n.event, err = h.name(""); err != nil {
		return n, err
	}
	return n, noWildcard(n.event, bare)
}

// noWildcard refuses an unquoted *, which would match no event.
func noWildcard(name, bare string) error {
	if name == "*" && bare[0] != '"' {
		return errors.New(`there is no wildcard for types; put a type of that name in double quotes: "*"`)
	}
	return nil
}

// name parses a quoted name, or an unquoted one, which ends at the first character that would
// need quotes.
func (h *headReader) name(until string) (string, error) {
	if strings.HasPrefix(h.rest, `"`) {
		n := quotedLength(h.rest, '"')
		if n < 0 {
			return "", errors.New(`a name in " has no end`)
		}
		name := strings.ReplaceAll(h.rest[1:n-1], `""`, `"`)
		h.rest = h.rest[n:]
		if name == "" {
			return "", errors.New(`"" is no name`)
		}
		return name, nil
	}
	n := strings.IndexAny(h.rest, " \t,\"';()"+until)
	if n < 0 {
		n = len(h.rest)
	}
	if n == 0 {
		return "", errors.New("the name of a type is missing; " + headForm)
	}
	name := h.rest[:n]
	h.rest = h.rest[n:]
	return name, nil
}
