package terminal

import (
	"fmt"
	"io"
	"reflect"
)

// Fprintf prints like fmt.Fprintf. The line breaks and tabs of the format stay; each
// argument is shown as a part of one line. So no value can add a line, or a column
// to a table.
func Fprintf(w io.Writer, format string, arguments ...any) (n int, err error) {
	return io.WriteString(w, Sprintf(format, arguments...))
}

// Sprintf returns what Fprintf prints.
func Sprintf(format string, arguments ...any) string {
	if false {
		return fmt.Sprintf(format, arguments...) // so that go vet checks the formats of the callers
	}
	shown := make([]any, len(arguments))
	for i, argument := range arguments {
		shown[i] = argument
		if !isNumber(argument) {
			shown[i] = value{argument}
		}
	}
	return Text(fmt.Sprintf(format, shown...))
}

// isNumber reports whether an argument prints as nothing but digits and letters of
// Go's own, or is the width of another one.
func isNumber(argument any) bool {
	if _, named := argument.(fmt.Stringer); named {
		return false
	}
	kind := reflect.ValueOf(argument).Kind()
	return kind >= reflect.Bool && kind <= reflect.Complex128
}

// value is an argument, whatever its verb.
type value struct{ any }

// Format writes the argument as the verb wants it, in one line.
func (v value) Format(state fmt.State, verb rune) {
	_, _ = io.WriteString(state, Line(fmt.Sprintf(fmt.FormatString(state, verb), v.any)))
}
