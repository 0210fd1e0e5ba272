package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Exit status of every command.
const (
	StatusDone     = 0
	StatusFailed   = 1
	StatusUsage    = 2
	StatusMismatch = 3 // the feed fails verification
	StatusHeld     = 4 // another seeder holds the consumer
)

// StatusError is an error that ends a command with a status of its own.
type StatusError struct {
	Status int
	Next   string   // what leads on, a command where there is one, without passwords; one line, may be empty
	More   []string // the lines after Next
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// Usage returns an error of wrong usage.
func Usage(format string, arguments ...any) error {
	return &StatusError{Status: StatusUsage, Err: fmt.Errorf(format, arguments...)}
}

// report prints how a command ended, if it was not well, and returns its exit
// status.
func report(w io.Writer, command *cobra.Command, err error) int {
	if err == nil {
		return StatusDone
	}
	status := StatusFailed
	_, _ = terminal.Fprintf(w, "%s: %s\n", command.Root().Name(), ErrorText(err))
	if with, ok := errors.AsType[*StatusError](err); ok {
		status = with.Status
		if with.Next != "" {
			_, _ = terminal.Fprintf(w, "%s\n", with.Next)
		}
		for _, line := range with.More {
			_, _ = terminal.Fprintf(w, "%s\n", line)
		}
	}
	if status == StatusUsage {
		_, _ = terminal.Fprintf(w, "for help: %s --help\n", command.CommandPath())
	}
	return status
}
