// Command feedserver publishes the event histories that a database holds as
// archived Atom feeds.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
)

func main() {
	os.Exit(cli.Main(command()))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "feedserver",
		Short: "Publish the event history of a service as archived Atom feeds",
		Long: `feedserver publishes the event history of a service as archived Atom feeds
(RFC 4287, RFC 5005). The history stands in the service's own database.

Every flag can come from the environment, as named in brackets.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 the feed does not add up.`,
	}
	root.AddCommand(createCommand(), openCommand(), appendCommand(), serveCommand(), listCommand(), verifyCommand(),
		newEpochCommand(), migrateCommand())
	return root
}
