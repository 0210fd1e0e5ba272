// Package orders is an example of two services, each with a database of its
// own, to copy from:
//
//   - shop takes orders, and appends each step as an event in the transaction
//     that makes it.
//   - shipping fills its table of shipments from these events, read over HTTP.
//
// Compare shows that both hold the same. The script examples/demo runs them.
package orders
