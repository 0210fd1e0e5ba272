package cli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// errNothingChanged ends a command whose user does not want it to go on.
var errNothingChanged = errors.New("nothing was changed")

// Confirm asks on the terminal whether to go on, and returns an error if not.
// It does not ask if yes is set, and does not go on where nobody can be asked.
func Confirm(command *cobra.Command, yes bool) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return Usage("%w: there is no terminal to ask on; add --yes to continue", errNothingChanged)
	}
	_, _ = terminal.Fprintf(command.ErrOrStderr(), "continue? [y/N] ")
	answer, err := readLine(command.Context())
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNothingChanged
}

// readLine reads from standard input until ctx is done. What it leaves behind
// then, a goroutine that still waits for the line, ends with the process.
func readLine(ctx context.Context) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // its end is as good as an empty one
		lines <- line
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", errNothingChanged
	}
}
