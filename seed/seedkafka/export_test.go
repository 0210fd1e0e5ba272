package seedkafka

import (
	"context"
	"net"
	"time"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Options are what only tests change.
type Options struct {
	Checkpoints     string
	Fenced, Silence time.Duration
	Dial            func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) options() options {
	return options{checkpoints: o.Checkpoints, fenced: o.Fenced, silence: o.Silence, dial: o.Dial}
}

// NewLog returns a log that is not open.
func NewLog(t Topic, o Options) broker.Log {
	newLog, _, err := logs(t, o.options())
	if err != nil {
		panic(err)
	}
	return newLog()
}

// OpenWith is Open with options.
func OpenWith(t Topic, o Options) (seed.Target, error) { return open(t, o.options()) }
