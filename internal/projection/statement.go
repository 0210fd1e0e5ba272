package projection

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Statement is one statement of SQL.
type Statement struct {
	file  string
	line  int // line of its first word
	start string

	pieces     []string    // its text between the parameters
	parameters []Parameter // one fewer than pieces

	Distinct []Parameter // its parameters without repetitions, in order of first use

	Placeholder string // the first placeholder of SQLite, an operator in PostgreSQL; empty if there is none
}

// Render returns the statement's text, with each parameter as mark and its number in Distinct,
// from 1.
func (s *Statement) Render(mark string) string {
	var b strings.Builder
	for i, piece := range s.pieces {
		b.WriteString(piece)
		if i < len(s.parameters) {
			b.WriteString(mark)
			b.WriteString(strconv.Itoa(slices.Index(s.Distinct, s.parameters[i]) + 1))
		}
	}
	return b.String()
}

// Uses reports whether the statement names a parameter.
func (s *Statement) Uses(p Parameter) bool { return slices.Contains(s.Distinct, p) }

// At returns err with file and line. The line is that of the character at a position, from 1, of
// the text that Render returned; with position 0, the first line of the statement.
func (s *Statement) At(rendered string, position int, err error) error {
	line := s.line
	for _, c := range rendered {
		if position--; position <= 0 {
			break
		}
		if c == '\n' {
			line++
		}
	}
	return fmt.Errorf("%s:%d: %s: %w", s.file, line, s.start, err)
}

// maxStart is the maximum number of characters of a statement in messages.
const maxStart = 48

// startOf returns the first words of a statement, on one line.
func startOf(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(words) <= maxStart {
		return words
	}
	cut := string([]rune(words)[:maxStart])
	if space := strings.LastIndexByte(cut, ' '); space > maxStart/2 {
		cut = cut[:space]
	}
	return cut + " …"
}
