// Package broker has what publishers to all message brokers have in common: which attributes a
// message carries, how its route is made of them, and errors that need an operator.
//
// A [Log] is a message log that keeps its publisher's checkpoint; [NewTarget] makes a target of
// package seed of it. Packages seed/seedkafka, seed/seednats and seed/seedrabbitmqstream
// have logs. You can write one for
// another broker.
package broker
