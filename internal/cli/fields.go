package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// Fields is a flag's value of header fields, as in "X-Api-Key: 1234": the flag
// can be given again and again, and one value can hold several, a line each, as
// an environment variable must. What stands behind the name is never shown.
type Fields []string

// Set adds the fields of one value. It takes anything: an error would show it.
func (f *Fields) Set(value string) error {
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != "" {
			*f = append(*f, line)
		}
	}
	return nil
}

func (f *Fields) String() string {
	shown := make([]string, len(*f))
	for i, line := range *f {
		name, _, isField := strings.Cut(line, ":")
		if !isField {
			name = hidden
		}
		shown[i] = name + ": " + hidden
	}
	return strings.Join(shown, ", ")
}

// Type names the value in messages.
func (f *Fields) Type() string { return "fields" }

// secretField is a name of a field whose value lets somebody in.
var secretField = regexp.MustCompile(`(?i)auth|cookie|credential|jwt|key|passw|secret|session|signature|token`)

// holdsSecretField reports whether a flag's value is of fields of which one is a
// secret by its name.
func holdsSecretField(f *pflag.Flag) bool {
	if f == nil {
		return false
	}
	fields, is := f.Value.(*Fields)
	if !is {
		return false
	}
	for _, line := range *fields {
		name, _, isField := strings.Cut(line, ":")
		if !isField || secretField.MatchString(name) {
			return true
		}
	}
	return false
}
