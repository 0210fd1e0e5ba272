// Package cloudevents reads and writes the JSON format of CloudEvents 1.0, and knows
// the rules that events of a feed keep.
//
// Everything that compares, stores or hashes an event works on its normal form
// (see [Normal]), which is the same however the event was written: two events are
// the same event with the same content exactly if their normal forms are equal.
package cloudevents
