package boundedxml

import (
	"bytes"
	"context"
	"io"
)

// guard hands a document to a parser, each token of it after its length and the number
// of its attributes were checked: encoding/xml allocates memory for all of a token
// before it returns it. Where the guard sees another token than a strict parser does,
// the document is not well-formed, and the parser ends before it comes there.
type guard struct {
	ctx    context.Context
	body   []byte
	at     int // next byte to hand out
	end    int // of the tokens that were checked
	limits Limits
}

// Read hands out what the parser has room for, up to the end of a token.
func (g *guard) Read(p []byte) (int, error) {
	if err := g.ctx.Err(); err != nil {
		return 0, err
	}
	if g.at == len(g.body) {
		return 0, io.EOF
	}
	for g.end < len(g.body) && g.end-g.at < len(p) {
		n, err := g.next(g.body[g.end:])
		if err != nil {
			return 0, err
		}
		g.end += n
	}
	n := copy(p, g.body[g.at:g.end])
	g.at += n
	return n, nil
}

const cdata = "<![CDATA["

// markups are what begins with an angle bracket and is no tag.
var markups = []struct{ start, end string }{
	{"<!--", "-->"},
	{cdata, "]]>"},
	{"<?", "?>"},
}

// next returns the length of the token that a text begins with.
func (g *guard) next(text []byte) (n int, err error) {
	limit := g.limits.Token
	if text[0] == '<' && g.limits.Markup > 0 && !bytes.HasPrefix(text, []byte(cdata)) {
		limit = g.limits.Markup
	}
	switch {
	case text[0] != '<':
		n = to(text, "<")
		if n < len(text) {
			n--
		}
	case len(text) > 1 && (text[1] == '!' || text[1] == '?'):
		n, err = g.markup(text)
	default:
		n, err = g.tag(text)
	}
	if err == nil && n > limit {
		err = exceeded("has a text, tag or comment of more than %d MiB", limit>>20)
	}
	return n, err
}

func (g *guard) markup(text []byte) (int, error) {
	for _, m := range markups {
		if bytes.HasPrefix(text, []byte(m.start)) {
			return min(len(m.start)+to(text[len(m.start):], m.end), len(text)), nil
		}
	}
	n, err := g.tag(text)
	if err == nil && declares(text[:n]) {
		err = ErrDOCTYPE
	}
	return n, err
}

// tag returns the length of a tag. An attribute has one equals sign, with white space
// around it and between attributes at most: four marks.
func (g *guard) tag(text []byte) (int, error) {
	marks, isSpace := 0, false
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '>':
			return i + 1, nil
		case '"', '\'':
			i += to(text[i+1:], string(c))
		case '=', ' ', '\t', '\r', '\n':
			if c == '=' || !isSpace {
				marks++
			}
			isSpace = c != '='
			if marks > 5*g.limits.Attributes {
				return 0, exceeded("a tag has more than %d attributes", g.limits.Attributes)
			}
			continue
		}
		isSpace = false
	}
	return len(text), nil
}

// to returns the length of a text up to the end of a mark; all of it, without one.
func to(text []byte, mark string) int {
	n := bytes.Index(text, []byte(mark))
	if n < 0 {
		return len(text)
	}
	return n + len(mark)
}
