// Command seeder fills a database from the archived Atom feeds of other
// services, in order, each event exactly once, and keeps it up to date.
package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
)

func main() {
	os.Exit(cli.Main(command()))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "seeder",
		Short: "Fill a database from archived Atom feeds, and keep it up to date",
		Long: `seeder fills the database of a new service from the archived Atom feeds of
others: in order, each event exactly once. Then it can keep it up to date.

Every flag can come from the environment, as named in brackets.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 the feed does not add up,
4 another seeder holds the consumer.`,
	}
	root.AddCommand(runCommand(), statusCommand(), verifyCommand(), inspectCommand(), rewindCommand(), resetCommand())
	return root
}

// withStatus gives the errors of seeding their exit status, and says what
// leads on.
func withStatus(err error, next string) error {
	switch {
	case errors.Is(err, seed.ErrMismatch):
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: next}
	case errors.Is(err, seed.ErrHeld), errors.Is(err, seed.ErrMoved):
		return &cli.StatusError{Status: cli.StatusHeld, Err: err, Next: "stop the other one first; or read into another database, or on PostgreSQL under a name of your own with: --consumer NAME"}
	default:
		return err
	}
}
