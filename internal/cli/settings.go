package cli

import (
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sourceNote is the annotation of a flag whose value came from elsewhere than
// the command line: the kind of source, and the setting's name there.
const sourceNote = "eventfeed_source"

// settle gives the flags that were not given their values, from the
// environment and then from the file, and looks at what has come together.
func settle(command *cobra.Command, arguments []string) error {
	if err := fromEnvironment(command.Flags()); err != nil {
		return err
	}
	if err := fromFile(command); err != nil {
		return err
	}
	warnOfArguments(command, arguments)
	warnOfFiles(command)
	return checkDatabases(command.Flags())
}

// settable reports whether a flag is a setting. What asks for something, or
// agrees to it, stands in the command itself.
func settable(f *pflag.Flag) bool {
	return f.Name != "help" && f.Name != "version" && f.Name != "yes" && f.Annotations[ownNote] == nil
}

// ownNote is the annotation of a flag that stands in the command itself.
const ownNote = "eventfeed_own"

// Own makes a flag one that only the command line gives. It is for one whose
// name is another command's setting.
func Own(flags *pflag.FlagSet, name string) {
	_ = flags.SetAnnotation(name, ownNote, []string{}) // which fails for a flag that is not there
}

// variableNote is the annotation of a flag whose environment variable has
// another name than the flag.
const variableNote = "eventfeed_variable"

// NameVariable gives a flag's environment variable another name: for a flag that
// means something else in another program of the same environment.
func NameVariable(flags *pflag.FlagSet, flag, name string) {
	if err := flags.SetAnnotation(flag, variableNote, []string{name}); err != nil {
		panic(err) // there is no such flag
	}
}

// variable is the name of a flag's environment variable.
func variable(f *pflag.Flag) string {
	if note := f.Annotations[variableNote]; len(note) == 1 {
		return note[0]
	}
	return "EVENTFEED_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// fromEnvironment sets the flags that were not given. An empty variable counts
// as none: what fills an environment often cannot leave one out.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f)
		value := os.Getenv(name)
		if f.Changed || value == "" || !settable(f) || err != nil {
			return
		}
		if setErr := flags.Set(f.Name, value); setErr != nil {
			err = Usage("%s: %w", name, valueError(setErr))
			return
		}
		err = flags.SetAnnotation(f.Name, sourceNote, []string{"environment", name})
	})
	return err
}

// source says where a flag's value came from, and what it is called there.
func source(f *pflag.Flag) (kind, name string) {
	if note := f.Annotations[sourceNote]; len(note) == 2 {
		return note[0], note[1]
	}
	if f.Changed {
		return "flag", "--" + f.Name
	}
	return "default", "--" + f.Name
}

// Given reports whether a flag stands on the command line. A value from the
// environment or a file may be meant for another command.
func Given(command *cobra.Command, name string) bool {
	f := command.Flags().Lookup(name)
	if f == nil {
		return false
	}
	kind, _ := source(f)
	return kind == "flag"
}

// FromFile reports whether a flag's value came from the file of --config.
func FromFile(f *pflag.Flag) bool {
	kind, _ := source(f)
	return kind == "file"
}

// isURL reports whether a flag's value is a URL, by the word that its help has
// for the value. Such a value may hold a password.
func isURL(f *pflag.Flag) bool {
	word, _ := pflag.UnquoteUsage(f)
	return word == "URL"
}

// redactValue is a URL flag's value as it may be shown.
func redactValue(f *pflag.Flag) string {
	if all, several := f.Value.(*URLs); several {
		return all.redact()
	}
	return Redact(f.Value.String())
}

// LogSettings logs the value that each of the command's flags has in effect,
// without passwords, and where those came from that are not the defaults.
func LogSettings(command *cobra.Command, logger *slog.Logger) {
	var settings []any
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if !settable(f) {
			return
		}
		value := f.Value.String()
		if isURL(f) && value != "" {
			value = redactValue(f)
		}
		settings = append(settings, f.Name, value)
		if kind, _ := source(f); kind != "default" {
			settings = append(settings, f.Name+".from", kind)
		}
	})
	logger.Info("settings", settings...)
}
