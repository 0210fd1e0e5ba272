package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
)

// long and examples are the help of the program.
const long = `Fill the database of a new service from the archived Atom feeds of other services: every event, in order,
exactly once. Then keep the database up to date.`

const examples = `  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db
  seeder status --into sqlite:shipping.db
  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --follow`

func endHelp(root *cobra.Command) {
	cli.HelpEnd(root, cli.HelpDatabases+`

Exit status:
  0 done, 1 failed, 2 wrong usage, 3 the feed fails verification, 4 another seeder holds the consumer

Run "seeder COMMAND --help" for the flags of a command, and "feedserver --help" for how to publish a feed.
See docs/getting-started.md, docs/commands.md, docs/settings.md and docs/network.md.`)
}
