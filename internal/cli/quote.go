package cli

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Quote makes a word safe to be copied to a shell, and to be shown: a word with
// characters that are not visible is written with their numbers, as in $'a\012b',
// which bash, zsh and ksh read.
func Quote(word string) string {
	isPlain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !isPlain(r) }) {
		return word
	}
	if terminal.Line(word) != word {
		return quoteInvisible(word)
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func quoteInvisible(word string) string {
	quoted := &strings.Builder{}
	for i := range len(word) {
		switch b := word[i]; {
		case b == '\'' || b == '\\':
			quoted.WriteString("\\" + string(rune(b)))
		case b < ' ' || b >= 0x7f:
			_, _ = fmt.Fprintf(quoted, `\%03o`, b)
		default:
			quoted.WriteByte(b)
		}
	}
	return "$'" + quoted.String() + "'"
}
