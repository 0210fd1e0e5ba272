package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventfeed/eventfeed/internal/bom"
	"github.com/eventfeed/eventfeed/internal/nearest"
)

// configFlag names the flag of the file that gives flags their values.
const configFlag = "config"

// fromFile sets the flags that were not given and are not in the environment.
// One file serves all commands of a program, so flags of the others are passed
// over. No error shows a value: it may be a secret.
func fromFile(command *cobra.Command) error {
	file := command.Flags().Lookup(configFlag).Value.String()
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Usage("--%s: %w", configFlag, err)
	}
	known := flagsOfProgram(command)
	settings, err := readSettings(file, bom.Trim(text), known)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := s.check(known); err != nil {
			return Usage("%s: %w", s.where, err)
		}
		if f := command.Flags().Lookup(s.name); f != nil && !f.Changed && settable(f) {
			if err := s.apply(command.Flags(), f); err != nil {
				return err
			}
		}
	}
	warnOfReaders(command, file, settings)
	return nil
}

// flagsOfProgram are the flags of all commands, by name; of those that several
// have, the command's own.
func flagsOfProgram(command *cobra.Command) map[string]*pflag.Flag {
	known := make(map[string]*pflag.Flag)
	add := func(f *pflag.Flag) {
		if settable(f) {
			known[f.Name] = f
		}
	}
	for _, c := range command.Root().Commands() {
		c.Flags().VisitAll(add)
	}
	command.Flags().VisitAll(add)
	return known
}

// check refuses a name that is no command's, and a value that is not of the
// flag's kind.
func (s setting) check(known map[string]*pflag.Flag) error {
	if s.name == configFlag {
		return fmt.Errorf("%s: a file cannot name another file", s.name)
	}
	f, ok := known[s.name]
	if !ok {
		return fmt.Errorf("%s: unknown setting%s", s.name, meant(s.name, slices.Sorted(maps.Keys(known))))
	}
	if kind, want := valueOf(f); s.kind != kind {
		if s.kind == unstable.Array && takesSeveral(f) {
			want += `; several stand in one text, on lines of their own: """…"""`
		}
		return fmt.Errorf("%s: must be %s", s.name, want)
	}
	return nil
}

func takesSeveral(f *pflag.Flag) bool {
	switch f.Value.(type) {
	case *URLs, *Fields:
		return true
	default:
		return false
	}
}

// valueOf says of which kind a flag's value is in the file, and in words.
func valueOf(f *pflag.Flag) (kind unstable.Kind, want string) {
	switch f.Value.Type() {
	case "bool":
		return unstable.Bool, fmt.Sprintf("true or false, as in: %s = true", f.Name)
	case "int", "int64":
		return unstable.Integer, fmt.Sprintf("a whole number, as in: %s = %s", f.Name, f.DefValue)
	default:
		return unstable.String, fmt.Sprintf("text in quotes, as in: %s = %q", f.Name, example(f))
	}
}

func (s setting) apply(flags *pflag.FlagSet, f *pflag.Flag) error {
	if err := flags.Set(f.Name, s.value); err != nil { // which quotes the value
		return Usage("%s: %s: invalid value; a valid one: %s", s.where, s.name, example(f))
	}
	return flags.SetAnnotation(f.Name, sourceNote, []string{"file", s.where + ": " + s.name})
}

// example is a value that a flag can have: its default, if there is one.
func example(f *pflag.Flag) string {
	if f.DefValue == "" {
		return "…"
	}
	return f.DefValue
}

// meant proposes the name that is closest, if there is one that is close.
func meant(name string, known []string) string {
	closest := nearest.Name(name, known)
	if closest == "" {
		return ""
	}
	return "; did you mean " + closest + "?"
}
