package terminal

import (
	"fmt"
	"unicode/utf16"
)

// jsonEscape appends a character as a JSON string writes it.
func jsonEscape(dst []byte, r rune, _ []byte) []byte {
	if r > 0xffff {
		first, second := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, first, second)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}
