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
		Long:  long, Example: examples,
	}
	endHelp(root)
	for _, command := range []*cobra.Command{
		createCommand(), openCommand(), entitiesCommand(), entityCommand(), appendCommand(), serveCommand(), exportCommand(), listCommand(), typesCommand(), verifyCommand(),
		newEpochCommand(), migrateCommand(), adoptCommand(), refusedCommand(),
	} {
		root.AddCommand(explained(command))
	}
	root.AddCommand(tokenCommand())
	return root
}
