package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/progress"
	"github.com/eventfeed/eventfeed/seed"
)

func TestThePageOfAPublisherNamesTheBroker(t *testing.T) {
	t.Parallel()
	p := &runPage{sinks: &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: "amqp://mq/?exchange=orders"}}}}
	if kind, words := p.sink(); kind != "publisher" || words != "a message broker, amqp://mq/?exchange=orders" {
		t.Errorf("%q, %q", kind, words)
	}
}

func TestThePageOfALogNamesIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"rabbitmq-stream://mq:5552/shop?stream=orders", "kafka://b1:9092,b2:9092/orders"} {
		p := &runPage{into: url, sinks: &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: url}}}, health: progress.NewHealth(0)}
		if got := p.state(); got.Target != url || got.Parked.Inspect != "" || got.Parked.Retry != "" {
			t.Errorf("target %s, parked %+v", got.Target, got.Parked)
		}
	}
}

func TestTheNextStepOfALogHasTheAccessOfTheRun(t *testing.T) {
	t.Parallel()
	flags := brokerFlags{url: "kafka+tls://b:9093/orders", user: "publisher", passwordFile: "/run/pass word", sasl: "PLAIN", plain: true}
	flags.files.CA = "ca.pem"
	config := seed.Config{From: []string{"http://feed"}, Consumer: seed.DefaultConsumer}
	line := rewindLine(nil, config, flags.url, &sinkFlags{publish: &publishFlags{brokerFlags: flags}}, 7)
	if want := "seeder rewind --from http://feed --publish kafka+tls://b:9093/orders --broker-user publisher --broker-password-file '/run/pass word' --broker-sasl PLAIN --broker-ca ca.pem --broker-plaintext --to 7"; line != want {
		t.Errorf("%s, want %s", line, want)
	}
}

// TestAPublisherThatWasOvertakenEndsWithStatus4, as a seeder whose consumer another one holds.
func TestAPublisherThatWasOvertakenEndsWithStatus4(t *testing.T) {
	t.Parallel()
	moved := fmt.Errorf("topic orders: %w", seed.ErrMoved)
	with, is := errors.AsType[*cli.StatusError](withStatus(explained(moved, "kafka://b/orders"), "http://feed", ""))
	if !is || with.Status != cli.StatusHeld || with.Next != "stop the other publisher of this feed, then run the same command again" {
		t.Errorf("%+v", with)
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
