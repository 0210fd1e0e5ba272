package main

import "github.com/eventfeed/eventfeed/internal/cli"

// long is the program's own help: the way from nothing to a seeded database,
// and what holds for all commands.
var long = `seeder fills the database of a new service from the archived Atom feeds of
others: in order, each event exactly once. Then it can keep it up to date.

From nothing to a database that is filled and kept up to date, where a feed is
served already (feedserver --help says how to serve one):

  seeder inspect http://127.0.0.1:8080/feeds/orders
  seeder verify --from http://127.0.0.1:8080/feeds/orders
  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db
  seeder status --into sqlite:shipping.db
  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --follow

` + cli.HelpDatabases + `

` + helpNetwork + `

` + cli.HelpSettings(`  from = "https://shop.example/feeds/orders"
  into = "postgres://shipping@localhost/shipping"`) + `

Exit status: 0 done, 1 failed, 2 wrong usage, 3 the feed does not add up,
4 another seeder holds the consumer.`
