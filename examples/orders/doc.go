// Package orders is an example of two services, each with a database of its own, to copy
// from. The package itself has the orders of a shop: their state, the events that make
// it, and the rules for what may follow what. It does no I/O, so it is tested without a
// database.
//
//   - shop takes orders. It rebuilds each one from its events, decides, and appends what
//     was decided only if nobody else was faster. It keeps a table of its orders in the
//     same transactions.
//   - shipping.sql is a shipping service's table of shipments, and how it is filled from
//     these events, by seeder run --projection.
//   - shipping does the same in Go, for a service whose own code applies them.
//   - mail writes a mail when an order is shipped: it is seeded from the feed, and takes new
//     events from RabbitMQ.
//   - python does as shop in Python, by SQL alone.
//
// Compare shows that shop and shipping hold the same. The script examples/demo runs them.
//
// # As it was
//
// Which address stood on the invoice of three months ago? The shop asks its own events,
// with [entity.Repository.LoadAsOf]:
//
//	shop --db sqlite:shop.db --as-of 2026-08-31T00:00:00Z show 17
//
// Everyone else builds the table as it was, from the feed:
//
//	seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:then.db --projection shipping.sql --as-of 2026-08-31T00:00:00Z
//	sqlite3 then.db "SELECT address FROM shipments WHERE order_id = '17'"
package orders
