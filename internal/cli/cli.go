// Package cli is what the commands have in common: flags that can come from
// the environment, exit status, signals, logs.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventfeed/eventfeed/internal/version"
)

// Exit status of every command.
const (
	StatusDone     = 0
	StatusFailed   = 1
	StatusUsage    = 2
	StatusMismatch = 3 // the feed does not add up
	StatusHeld     = 4 // another seeder holds the consumer
)

// StatusError is an error that ends a command with a status of its own.
type StatusError struct {
	Status int
	Next   string // what leads on, a command where there is one; may be empty
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// Usage returns an error of wrong usage.
func Usage(format string, arguments ...any) error {
	return &StatusError{Status: StatusUsage, Err: fmt.Errorf(format, arguments...)}
}

// Main runs the command with the process's arguments until it ends or a signal
// asks for it, prints its error, and returns the exit status.
func Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks for a graceful end, the second one ends at once.
	context.AfterFunc(ctx, stop)
	prepare(root)
	command, err := root.ExecuteContextC(ctx)
	return report(root.ErrOrStderr(), command, err)
}

func report(w io.Writer, command *cobra.Command, err error) int {
	if err == nil {
		return StatusDone
	}
	status := StatusFailed
	_, _ = fmt.Fprintf(w, "%s: %v\n", command.Root().Name(), err)
	if with, ok := errors.AsType[*StatusError](err); ok {
		status = with.Status
		if with.Next != "" {
			_, _ = fmt.Fprintln(w, with.Next)
		}
	}
	if status == StatusUsage {
		_, _ = fmt.Fprintf(w, "for help: %s --help\n", command.CommandPath())
	}
	return status
}

// prepare gives the command and all below it the same ways.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version.Read().String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.Args = func(command *cobra.Command, arguments []string) error {
		if len(arguments) > 0 {
			return Usage("there is no command %q", arguments[0])
		}
		return nil
	}
	root.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage("%w", err) })
	root.PersistentPreRunE = func(command *cobra.Command, _ []string) error { return fromEnvironment(command.Flags()) }
	for _, command := range root.Commands() {
		check := command.Args
		command.Args = func(command *cobra.Command, arguments []string) error {
			if err := check(command, arguments); err != nil {
				return Usage("%w; it is used as: %s", err, command.UseLine())
			}
			return nil
		}
		command.Flags().VisitAll(func(f *pflag.Flag) { f.Usage += " [$" + variable(f.Name) + "]" })
	}
}

// variable is the name of a flag's environment variable.
func variable(flag string) string {
	return "EVENTFEED_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, set := os.LookupEnv(variable(f.Name))
		if f.Changed || !set || f.Name == "help" || f.Name == "version" || err != nil {
			return
		}
		if setErr := flags.Set(f.Name, value); setErr != nil {
			err = Usage("%s: %w", variable(f.Name), setErr)
		}
	})
	return err
}

// Logger returns the commands' logger: text on w.
func Logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil))
}

// PrintJSON prints a value as JSON, indented.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// Pace says how long something took, and how many a second that was where it
// took long enough to say so.
func Pace(n int64, took time.Duration) string {
	if took < time.Second {
		return fmt.Sprintf("in %.1f s", took.Seconds())
	}
	return fmt.Sprintf("in %.1f s (%.0f/s)", took.Seconds(), float64(n)/took.Seconds())
}

// Redact returns a database or feed URL without its passwords, and nothing of
// what is no such URL: it may be anything.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "(not a URL)"
	}
	query := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}
