package projection

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/bom"
)

// Parse parses the text of a projection; name is for messages. Parameters are:
//
//	:feed        the feed's name     text
//	:position    in the feed         bigint                    integer
//	:id          the event's id      text
//	:source                          text
//	:type                            text
//	:subject     the entity          text
//	:time                            timestamptz               text, RFC 3339 in UTC
//	:dataschema                      text
//	:data        data that is JSON   jsonb                     text
//	:data_bytes  data as it came     bytea                     blob
//	:live        live event?         boolean                   0 or 1
//
// The third column is the type in PostgreSQL, the fourth that in SQLite if it differs. An
// attribute that an event lacks is NULL.
func Parse(name string, text []byte) (*Projection, error) {
	p := &parser{projection: &Projection{Name: name, hash: hashOf(text)}, line: 1}
	text = bom.Trim(text)
	if i := firstBad(text); i >= 0 {
		return nil, fmt.Errorf("%s:%d: is not text: it must be UTF-8 without zero bytes", name, 1+bytes.Count(text[:i], []byte{'\n'}))
	}
	p.lexer.text = string(text)
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, p.line, err)
	}
	if len(p.projection.blocks) == 0 { // it would skip every event
		return nil, fmt.Errorf("%s has no block: a block begins with a line such as: -- on OrderCreated", name)
	}
	return p.projection, nil
}

// firstBad returns the offset of the first zero byte or invalid UTF-8; -1 if there is none.
func firstBad(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

type parser struct {
	lexer      lexer
	projection *Projection
	line       int // line of the current token

	tokens    []token // of the current statement, with spaces and comments
	first     int     // line of the current statement
	afterHead bool    // a block has begun
	body      body
}

func (p *parser) run() error {
	for {
		t, err := p.lexer.next()
		if broken, is := errors.AsType[*unterminated](err); is {
			p.line = 1 + strings.Count(p.lexer.text[:broken.at], "\n")
			return err
		}
		if t.text == "" {
			return p.finish()
		}
		if err := p.take(t); err != nil {
			return err
		}
		p.line += strings.Count(t.text, "\n")
	}
}

// take processes the next token.
func (p *parser) take(t token) error {
	switch t.kind {
	case kindSpace, kindBlockComment:
		if len(p.tokens) > 0 {
			p.tokens = append(p.tokens, t)
		}
		return nil
	case kindLineComment:
		return p.comment(t)
	case kindSemicolon:
		if p.body.open() || p.body.creates("RULE") && len(p.lexer.open) > 0 {
			break
		}
		return p.finish()
	case kindPlaceholder:
		if t.text[0] == '$' {
			return fmt.Errorf("%s: parameters are named: %s", t.text, KnownParameters())
		}
	case kindParameter:
		if err := p.parameter(t); err != nil {
			return err
		}
	}
	if len(p.tokens) == 0 {
		p.first = p.line
	}
	p.tokens = append(p.tokens, t)
	p.body.follow(t)
	return nil
}

func (p *parser) parameter(t token) error {
	if _, known := parameterNamed(t.text[1:]); !known {
		return fmt.Errorf("there is no parameter %s, there are: %s (put a space after a colon that is not a parameter)", t.text, KnownParameters())
	}
	if !p.afterHead {
		return fmt.Errorf("%s in the set-up, which runs without an event; parameters are for the blocks after a line -- on TYPE", t.text)
	}
	return nil
}

// timeZone matches the line that sets the time zone of the statements.
var timeZone = regexp.MustCompile(`^--[ \t]+timezone[ \t]+(\S+)[ \t\r]*$`)

func (p *parser) timeZone(zone string) error {
	if p.afterHead || len(p.projection.setup) > 0 || len(p.tokens) > 0 || p.projection.zone != "" {
		return errors.New("the time zone may be set once, before the first statement")
	}
	p.projection.zone = zone
	return nil
}

// comment processes a comment. It starts a block if the comment is a block's first line.
func (p *parser) comment(t token) error {
	if strings.Contains(strings.TrimSuffix(t.text, "\r"), "\r") {
		return errors.New("a comment holds a carriage return, which ends it for PostgreSQL and not for SQLite")
	}
	if zone := timeZone.FindStringSubmatch(t.text); zone != nil {
		return p.timeZone(zone[1])
	}
	before := p.lexer.text[:t.at]
	lead := before[strings.LastIndexByte(before, '\n')+1:]
	if schemas := schemaLine.FindStringSubmatch(strings.TrimRight(t.text, " \t\r")); schemas != nil && lead == "" {
		if err := p.dataSchema(schemas[1]); err != nil {
			return err
		}
	}
	if strings.Trim(lead, " \t\r") != "" || !looksLikeHead(t.text) || lead != "" && len(p.tokens) > 0 {
		if len(p.tokens) > 0 {
			p.tokens = append(p.tokens, t)
		}
		return nil
	}
	if lead != "" {
		return errors.New("the head of a block begins in the first column; a comment begins with another word than on")
	}
	names, live, err := parseHead(t.text)
	if err != nil {
		return err
	}
	if len(p.tokens) > 0 && (p.body.open() || len(p.lexer.open) > 0) {
		return fmt.Errorf("a block begins within the statement of line %d; a comment begins with another word than on, or not in the first column", p.first)
	}
	if err := p.finish(); err != nil {
		return err
	}
	p.afterHead = true
	p.projection.blocks = append(p.projection.blocks, block{line: p.line, names: names, live: live})
	return nil
}

// finish adds the current statement, if there is one.
func (p *parser) finish() error {
	tokens := p.tokens
	p.tokens, p.lexer.open = nil, nil
	open := p.body.open()
	p.body = body{}
	for len(tokens) > 0 && isBlank(tokens[len(tokens)-1].kind) {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return nil
	}
	run, err := localize(tokens, !p.afterHead)
	if err == nil {
		err = checkStatement(tokens)
	}
	if err == nil && open {
		err = errors.New("its body, which BEGIN begins, has no END after a semicolon")
	}
	if err != nil {
		p.line = p.first
		return fmt.Errorf("%s: %w", newStatement(p.projection.Name, p.first, tokens).start, err)
	}
	s := newStatement(p.projection.Name, p.first, run)
	if !p.afterHead {
		p.projection.setup = append(p.projection.setup, s)
		return nil
	}
	last := &p.projection.blocks[len(p.projection.blocks)-1]
	last.statements = append(last.statements, s)
	return nil
}

func newStatement(file string, line int, tokens []token) Statement {
	s := Statement{file: file, line: line}
	var text, all strings.Builder
	for _, t := range tokens {
		if t.kind == kindBlockComment && strings.Count(t.text, "/*") > 1 {
			t.text = " " + strings.Repeat("\n", strings.Count(t.text, "\n")) // SQLite's comments do not nest
		}
		if t.kind == kindLineComment || t.kind == kindBlockComment {
			all.WriteByte(' ')
		} else {
			all.WriteString(t.text)
		}
		switch {
		case t.kind == kindParameter:
			s.pieces = append(s.pieces, text.String())
			text.Reset()
			named, _ := parameterNamed(t.text[1:])
			if !s.Uses(named) {
				s.Distinct = append(s.Distinct, named)
			}
			s.parameters = append(s.parameters, named)
			continue
		case t.kind == kindPlaceholder && s.Placeholder == "":
			s.Placeholder = t.text
		}
		text.WriteString(t.text)
	}
	s.pieces = append(s.pieces, text.String())
	s.start = startOf(all.String())
	return s
}

func isBlank(k kind) bool { return k == kindSpace || k == kindLineComment || k == kindBlockComment }
