package projection

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// body recognises a statement whose body contains semicolons: CREATE TRIGGER … BEGIN of SQLite,
// and BEGIN ATOMIC of PostgreSQL. (The body of CREATE RULE is in parentheses.) In both, each
// statement of the body ends with a semicolon, and END after a semicolon ends the body: the END
// of a CASE, or a column of that name, does not follow a semicolon.
type body struct {
	words   []string // the first words of the statement
	last    string   // the last token, in upper case
	begun   bool
	atomic  bool
	bodyEnd bool
}

// open reports whether the body has begun and not ended, so that a semicolon does not end the
// statement.
func (b *body) open() bool { return b.begun && !b.bodyEnd }

// follow processes the next token that is neither space nor comment.
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

// refused maps the words with which no statement may begin to the reasons.
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

// checkStatement refuses a statement that would end the transaction, last longer than it, or
// communicate with the client.
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
