package main

import (
	"errors"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
)

func TestThePageOfAPublisherNamesTheBroker(t *testing.T) {
	t.Parallel()
	p := &runPage{sinks: &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: "amqp://mq/?exchange=orders"}}}}
	if kind, words := p.sink(); kind != "publisher" || words != "a message broker, amqp://mq/?exchange=orders" {
		t.Errorf("%q, %q", kind, words)
	}
}

func TestWhatATargetLacksIsWrongUsage(t *testing.T) {
	t.Parallel()
	lacks := &checkpoint.FeatureError{Target: "relay.db", Feature: checkpoint.ForeignFeeds, Reason: "no digests"}
	with, is := errors.AsType[*cli.StatusError](withStatus(lacks, "http://feed", ""))
	if !is || with.Status != cli.StatusUsage || !errors.Is(with, lacks) {
		t.Errorf("%+v", with)
	}
}
