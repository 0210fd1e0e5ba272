package main

import "github.com/eventfeed/eventfeed/internal/cli"

// long is the program's own help: the way from nothing to a published feed and
// a seeded database, and what holds for all commands.
var long = `feedserver publishes the event history of a service as archived Atom feeds
(RFC 4287, RFC 5005). The history stands in the service's own database.

From nothing to a second database that is filled from the first one's history:

  feedserver create orders --db sqlite:shop.db
  echo '{"specversion":"1.0","id":"1","source":"/shop","type":"OrderPlaced"}' |
    feedserver append orders --db sqlite:shop.db
  feedserver serve --db sqlite:shop.db &
  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db
  seeder status --into sqlite:shipping.db

` + cli.HelpDatabases + `

` + cli.HelpSettings(`  db = "postgres://feedserver@localhost/shop"
  listen = "127.0.0.1:8080"`) + `

Exit status: 0 done, 1 failed, 2 wrong usage, 3 the feed does not add up.`
