// Package cli is what the commands have in common: flags that can come from
// the environment and a file, exit status, signals, logs.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventfeed/eventfeed/internal/nearest"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/internal/version"
)

// Main runs the command with the process's arguments until it ends or a signal
// asks for it, prints its error, and returns the exit status. All that a command
// prints goes through two writers that escape what a terminal would obey.
func Main(root *cobra.Command) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	out, messages := terminal.NewWriter(os.Stdout), terminal.NewWriter(os.Stderr)
	root.SetOut(out)
	root.SetErr(messages)
	prepare(root)
	command, err := root.ExecuteContextC(ctx)
	_ = out.Flush()
	status := report(messages, command, err)
	_ = messages.Flush()
	return status
}

// prepare gives the command and all below it the same ways.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version.Read().String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.Args = func(command *cobra.Command, arguments []string) error {
		if len(arguments) > 0 {
			return noCommand(command, arguments[0])
		}
		return nil
	}
	root.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		if name := firstWord(); command == root && name != "" {
			return noCommand(root, name)
		}
		if unknown, is := errors.AsType[*pflag.NotExistError](err); is {
			return Usage("%w%s", err, nearest.Question("--"+unknown.GetSpecifiedName(), flags(command)))
		}
		return Usage("%w", valueError(err))
	})
	root.PersistentFlags().String(configFlag, "", "TOML `FILE` with values for flags; the environment can set them too: EVENTFEED_MAX_LAG sets --max-lag (docs/settings.md)")
	root.PersistentPreRunE = settle
	root.SetHelpFunc(func(command *cobra.Command, _ []string) { _ = printHelp(command.OutOrStdout(), command) })
	root.SetUsageFunc(func(command *cobra.Command) error {
		text := &strings.Builder{}
		writeUsage(text, command)
		_, err := io.WriteString(command.OutOrStderr(), text.String())
		return err
	})
	for _, command := range root.Commands() {
		check := command.Args
		command.Args = func(command *cobra.Command, arguments []string) error {
			if err := check(command, arguments); err != nil {
				return Usage("%w; usage: %s", err, command.UseLine())
			}
			return nil
		}
		complete(command)
		flagGroups(command) // which panics if they miss a flag
	}
}

func noCommand(root *cobra.Command, name string) error {
	return Usage("unknown command %q%s", name, nearest.Question(name, commands(root)))
}

// firstWord returns the first argument, where a command's name has to be; empty if it is a flag.
func firstWord() string {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		return ""
	}
	return os.Args[1]
}

// commands are the names of a command's own commands.
func commands(command *cobra.Command) (names []string) {
	for _, c := range command.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// flags are the names of a command's flags, as they are typed.
func flags(command *cobra.Command) (names []string) {
	command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}
