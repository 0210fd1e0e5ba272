// Package orders is an example of two services, each with a database of its
// own, to copy from:
//
//   - shop takes orders, and appends each step as an event in the transaction
//     that makes it.
//   - shipping.sql is a shipping service's table of shipments, and how it is
//     filled from these events, by seeder run --projection.
//   - shipping does the same in Go, for a service whose own code applies them.
//
// Compare shows that both hold the same. The script examples/demo runs them.
package orders
