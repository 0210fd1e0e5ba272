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
	line  int // of its first word
	start string

	pieces     []string    // of its text, around the parameters
	parameters []Parameter // one less

	Distinct []Parameter // that it names, in the order in which they come first

	Placeholder string // of SQLite's own, an operator in PostgreSQL; empty where there is none
}

// Render returns the statement with each parameter as its number in Distinct,
// from 1, behind a mark.
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

// At returns an error with the file and the line of the statement, or the one
// on which the character is that stands at a position, from 1, of what render
// returned; 0 means that no position is known.
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

// maxStart is how many characters of a statement messages show.
const maxStart = 48

// startOf returns the first words of a statement on one line.
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
