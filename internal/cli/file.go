package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFlag names the flag of the file that gives flags their values.
const configFlag = "config"

// setting is a line of the file: NAME = VALUE.
type setting struct {
	where string // FILE:LINE
	name  string
	kind  unstable.Kind // of the value
	value string
}

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
	settings, err := readSettings(file, text)
	if err != nil {
		return err
	}
	known := flagsOfProgram(command)
	for _, s := range settings {
		if err := s.check(known); err != nil {
			return Usage("%s: %w", s.where, err)
		}
		if f := command.Flags().Lookup(s.name); f != nil && !f.Changed {
			if err := s.apply(command.Flags(), f); err != nil {
				return err
			}
		}
	}
	warnOfReaders(command, file, settings)
	return nil
}

// readSettings reads TOML of the plainest kind: names and values. It walks the
// syntax tree itself, which alone says in which line a name stands.
func readSettings(file string, text []byte) ([]setting, error) {
	var parser unstable.Parser
	parser.Reset(text)
	where := func(part []byte) string {
		return fmt.Sprintf("%s:%d", file, parser.Shape(parser.Range(part)).Start.Line)
	}
	var settings []setting
	for parser.NextExpression() {
		node := parser.Expression()
		keys := node.Key()
		if !keys.Next() {
			continue
		}
		key := keys.Node()
		s := setting{where: where(parser.Raw(key.Raw)), name: string(key.Data)}
		if node.Kind != unstable.KeyValue || keys.Next() {
			return nil, Usage("%s: %s: no tables here, all settings stand side by side: NAME = VALUE", s.where, s.name)
		}
		if slices.ContainsFunc(settings, func(other setting) bool { return other.name == s.name }) {
			return nil, Usage("%s: %s: is there twice", s.where, s.name)
		}
		s.kind, s.value = node.Value().Kind, string(node.Value().Data)
		settings = append(settings, s)
	}
	if bad, ok := errors.AsType[*unstable.ParserError](parser.Error()); ok {
		return nil, Usage(`%s: cannot be read; a line is a name and a value, as in: db = "sqlite:eventfeed.db" or prefetch = 4 or follow = true`,
			where(bad.Highlight))
	}
	return settings, parser.Error()
}

// flagsOfProgram are the flags of all commands, by name.
func flagsOfProgram(command *cobra.Command) map[string]*pflag.Flag {
	known := make(map[string]*pflag.Flag)
	for _, c := range append(command.Root().Commands(), command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if settable(f) {
				known[f.Name] = f
			}
		})
	}
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
		return fmt.Errorf("%s: there is no such setting%s", s.name, meant(s.name, slices.Sorted(maps.Keys(known))))
	}
	switch f.Value.Type() {
	case "bool":
		if s.kind != unstable.Bool {
			return fmt.Errorf("%s: must be true or false, as in: %s = true", s.name, s.name)
		}
	case "int", "int64":
		if s.kind != unstable.Integer {
			return fmt.Errorf("%s: must be a whole number, as in: %s = %s", s.name, s.name, f.DefValue)
		}
	default:
		if s.kind != unstable.String {
			return fmt.Errorf("%s: must be text in quotes, as in: %s = %q", s.name, s.name, example(f))
		}
	}
	return nil
}

func (s setting) apply(flags *pflag.FlagSet, f *pflag.Flag) error {
	if err := flags.Set(f.Name, s.value); err != nil { // which quotes the value
		return Usage("%s: %s: cannot be such a value, one that can: %s", s.where, s.name, example(f))
	}
	return flags.SetAnnotation(f.Name, sourceNote, []string{"file", s.where + ": " + s.name})
}

// example is a value that a flag can have.
func example(f *pflag.Flag) string {
	switch {
	case f.DefValue != "":
		return f.DefValue
	case isURL(f):
		return "sqlite:eventfeed.db"
	default:
		return "text"
	}
}

// meant proposes the name that is closest, if there is one that is close.
func meant(name string, known []string) string {
	distance := func(other string) int { return levenshtein.ComputeDistance(name, other) }
	closest := slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	if distance(closest) > max(1, len(closest)/3) {
		return ""
	}
	return "; did you mean " + closest + "?"
}

// warnOfReaders warns of a file with a password in it that everyone may read.
// A group that may is somebody's intent, such as a volume of secrets.
func warnOfReaders(command *cobra.Command, file string, settings []setting) {
	const othersRead = 0o004
	info, err := os.Stat(file)
	if err != nil || info.Mode()&othersRead == 0 {
		return
	}
	if slices.ContainsFunc(settings, func(s setting) bool { return holdsPassword(s.value) }) {
		command.PrintErrf("%s: warning: everyone on this machine can read the password in %s; change that with: chmod 600 %s\n",
			command.Root().Name(), file, file)
	}
}
