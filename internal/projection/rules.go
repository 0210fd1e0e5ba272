package projection

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// body follows a statement whose body holds semicolons: CREATE TRIGGER … BEGIN
// of SQLite, BEGIN ATOMIC of PostgreSQL. (That of CREATE RULE stands in
// parentheses.) In both, each statement of the body
// ends with a semicolon, and END behind one ends the body: the END of a CASE,
// or a column of that name, has none before it.
type body struct {
	words   []string // the first ones of the statement
	last    string   // token, in upper case
	begun   bool
	atomic  bool
	bodyEnd bool
}

// open reports whether a semicolon does not end the statement.
func (b *body) open() bool { return b.begun && !b.bodyEnd }

// follow takes the next token that is neither space nor comment.
func (b *body) follow(t token) {
	text := strings.ToUpper(t.text)
	if t.kind != kindWord && t.kind != kindSemicolon {
		text = "…"
	}
	if len(b.words) < 5 && t.kind == kindWord {
		b.words = append(b.words, text)
	}
	switch {
	case !b.begun && text == "BEGIN" && b.creates("TRIGGER"):
		b.begun = true
	case !b.begun && text == "ATOMIC" && b.last == "BEGIN" && (b.creates("FUNCTION") || b.creates("PROCEDURE")):
		b.begun, b.atomic = true, true
	case b.open() && text == "END" && (b.last == ";" || b.atomic && b.last == "ATOMIC"):
		b.bodyEnd = true
	}
	b.last = text
}

// creates reports whether the statement is CREATE … WHAT.
func (b *body) creates(what string) bool {
	return len(b.words) > 0 && b.words[0] == "CREATE" && slices.Contains(b.words, what)
}

// refused is what no statement may begin with, and why.
var refused = map[string]string{
	"BEGIN":      endsTransaction,
	"START":      endsTransaction,
	"COMMIT":     endsTransaction,
	"END":        endsTransaction,
	"ROLLBACK":   endsTransaction,
	"ABORT":      endsTransaction,
	"SAVEPOINT":  endsTransaction,
	"RELEASE":    endsTransaction,
	"PREPARE":    endsTransaction,
	"LISTEN":     outlasts,
	"UNLISTEN":   outlasts,
	"LOAD":       outlasts,
	"RESET":      outlasts,
	"DISCARD":    outlasts,
	"DEALLOCATE": outlasts,
	"PRAGMA":     "is about a connection, and has mostly no effect within a transaction",
}

const (
	endsTransaction = "events and checkpoint commit together, so the file may not begin or end the transaction"
	outlasts        = "would outlast the transaction on a connection that others use; write SET LOCAL"
)

// checkStatement refuses what would end the transaction, outlast it, or talk to
// the client.
func checkStatement(tokens []token) error {
	var words []string
	var last string
	for _, t := range tokens {
		if isBlank(t.kind) {
			continue
		}
		text := strings.ToUpper(t.text)
		if t.kind == kindWord {
			words = append(words, text)
			if text == "ROLLBACK" && (last == "OR" || last == "CONFLICT" || last == "RAISE") {
				return fmt.Errorf("%s ROLLBACK: %s; write ABORT", last, endsTransaction)
			}
		}
		if text != "(" {
			last = text
		}
	}
	if tokens[0].kind != kindWord {
		return nil
	}
	switch first := words[0]; {
	case first == "COPY" && (slices.Contains(words, "STDIN") || slices.Contains(words, "STDOUT")):
		return errors.New("there is no input or output here")
	case refused[first] != "":
		return errors.New(refused[first])
	}
	return nil
}
