package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
)

// long and examples are the help of the program.
const long = `Publish the event history of a service as archived Atom feeds (RFC 4287, RFC 5005). The history is
stored in the service's own database.`

const examples = `  feedserver create orders --db sqlite:shop.db
  echo '{"specversion":"1.0","id":"1","source":"/shop","type":"OrderPlaced"}' |
    feedserver append orders --db sqlite:shop.db
  feedserver serve --db sqlite:shop.db`

func endHelp(root *cobra.Command) {
	cli.HelpEnd(root, cli.HelpDatabases+`

Exit status:
  0 done, 1 failed, 2 wrong usage, 3 the log fails verification

Run "feedserver COMMAND --help" for the flags of a command, and "seeder --help" for how to read a feed.
See docs/getting-started.md, docs/commands.md and docs/settings.md.`)
}
