package main

import "testing"

func TestThePageOfAPublisherNamesTheBroker(t *testing.T) {
	t.Parallel()
	p := &runPage{sinks: &sinkFlags{publish: &publishFlags{url: "amqp://mq/?exchange=orders"}}}
	if kind, words := p.sink(); kind != "publisher" || words != "a message broker, amqp://mq/?exchange=orders" {
		t.Errorf("%q, %q", kind, words)
	}
}
