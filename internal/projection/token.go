package projection

import "strings"

// kind is the kind of a token of SQL.
type kind uint8

const (
	kindSpace        kind = iota
	kindLineComment       // -- up to the end of the line, without it
	kindBlockComment      // /* … */, nested
	kindWord              // a keyword or a name
	kindNumber
	kindString      // '…', E'…' without the E of others such as U&'…', $tag$…$tag$
	kindName        // "…" or `…`
	kindParameter   // :name
	kindPlaceholder // $1, $name, @name, ?, ?1: the databases' own placeholders
	kindSemicolon
	kindOpen  // ( or [
	kindClose // ) or ]
	kindOther // operators and the like, one character each, and ::
)

// token is a part of the text. All tokens together are the text.
type token struct {
	kind kind
	at   int // offset in the text
	text string
}

// lexer splits SQL of both databases into tokens.
type lexer struct {
	text string
	at   int
	open []byte // open brackets and parentheses at this place
	last kind   // kind of the last token
}

// unterminated is the error of a text that ends within a token.
type unterminated struct {
	at   int
	what string
}

func (e *unterminated) Error() string { return e.what + " has no end" }

// next returns the next token; an empty one at the end of the text.
func (l *lexer) next() (token, error) {
	if l.at == len(l.text) {
		return token{at: l.at}, nil
	}
	k, n := l.scan(l.text[l.at:])
	if n < 0 {
		return token{}, &unterminated{l.at, unterminatedName(l.text[l.at:])}
	}
	t := token{k, l.at, l.text[l.at : l.at+n]}
	switch k {
	case kindOpen:
		l.open = append(l.open, t.text[0])
	case kindClose:
		l.open = l.open[:max(0, len(l.open)-1)]
	}
	l.at, l.last = l.at+n, k
	return t, nil
}

// scan returns the kind and the length of the first token of s, which is not empty; the length is
// negative if the token has no end.
func (l *lexer) scan(s string) (kind, int) {
	switch c := s[0]; {
	case isSpace(c):
		return kindSpace, span(s, 1, isSpace)
	case strings.HasPrefix(s, "--"):
		return kindLineComment, lineLength(s)
	case strings.HasPrefix(s, "/*"):
		return kindBlockComment, blockCommentLength(s)
	case c == '\'':
		return kindString, quotedLength(s, '\'')
	case (c == 'e' || c == 'E') && strings.HasPrefix(s[1:], "'"):
		return kindString, escapedLength(s)
	case c == '"' || c == '`':
		return kindName, quotedLength(s, c)
	case isNameStart(c):
		return kindWord, span(s, 1, isNamePart)
	case isDigit(c):
		return kindNumber, span(s, 1, isNumberPart)
	case c == '$':
		return dollar(s)
	case c == '?':
		return kindPlaceholder, span(s, 1, isDigit)
	case c == '@' && len(s) > 1 && isNameStart(s[1]):
		return kindPlaceholder, span(s, 2, isNamePart)
	case c == ':':
		return l.colon(s)
	case c == ';':
		return kindSemicolon, 1
	case c == '(' || c == '[':
		return kindOpen, 1
	case c == ')' || c == ']':
		return kindClose, 1
	default:
		return kindOther, 1
	}
}

// colon distinguishes a parameter from a cast, from := and from the colon of an array slice, which
// is in brackets right after a value.
func (l *lexer) colon(s string) (kind, int) {
	switch {
	case strings.HasPrefix(s, "::"):
		return kindOther, 2
	case len(s) == 1 || !isNameStart(s[1]):
		return kindOther, 1
	case len(l.open) > 0 && l.open[len(l.open)-1] == '[' && isValue(l.last):
		return kindOther, 1
	default:
		return kindParameter, span(s, 2, isNamePart)
	}
}

func isValue(k kind) bool {
	switch k {
	case kindWord, kindNumber, kindString, kindName, kindParameter, kindClose:
		return true
	}
	return false
}

// dollar distinguishes a dollar-quoted string of PostgreSQL from a placeholder.
func dollar(s string) (kind, int) {
	n := 1
	if len(s) > 1 && isNameStart(s[1]) {
		n = span(s, 2, func(c byte) bool { return isNamePart(c) && c != '$' })
	}
	if n < len(s) && s[n] == '$' {
		tag := s[:n+1]
		end := strings.Index(s[len(tag):], tag)
		if end < 0 {
			return kindString, -1
		}
		return kindString, len(tag) + end + len(tag)
	}
	if n > 1 || len(s) > 1 && isDigit(s[1]) {
		return kindPlaceholder, span(s, 1, isNamePart)
	}
	return kindOther, 1
}

// lineLength returns the length of a comment up to the end of its line.
func lineLength(s string) int {
	n := strings.IndexByte(s, '\n')
	if n < 0 {
		n = len(s)
	}
	return n
}

// blockCommentLength returns the length of a comment. Comments may be nested, as in PostgreSQL.
func blockCommentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

// quotedLength returns the length of a quoted text in which the quotes are doubled.
func quotedLength(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 == len(s) || s[i+1] != quote {
			return i + 1
		}
		i++
	}
	return -1
}

// escapedLength returns the length of E'…', in which a backslash escapes the next character. Such
// a string continues, with escapes, in quotes on a later line.
func escapedLength(s string) int {
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			if strings.HasPrefix(s[i+1:], "'") {
				i++
				continue
			}
			next := span(s, i+1, isSpace)
			if next == len(s) || s[next] != '\'' || !strings.Contains(s[i:next], "\n") {
				return i + 1
			}
			i = next
		}
	}
	return -1
}

func unterminatedName(s string) string {
	switch s[0] {
	case '/':
		return "a comment /*"
	case '$':
		return "a string " + s[:strings.IndexByte(s[1:], '$')+2]
	case '"', '`':
		return "a name in " + s[:1]
	default:
		return "a string in '"
	}
}

// span returns the end of the bytes of a class that begin at offset.
func span(s string, offset int, in func(byte) bool) int {
	for offset < len(s) && in(s[offset]) {
		offset++
	}
	return offset
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNameStart treats every character outside ASCII as a letter, as both databases do.
func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isNamePart(c byte) bool   { return isNameStart(c) || isDigit(c) || c == '$' }
func isNumberPart(c byte) bool { return isNameStart(c) || isDigit(c) || c == '.' }
