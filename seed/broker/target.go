package broker

import (
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/seed"
)

// NewTarget returns a target for one feed that is published to a message log. name names the log and
// its broker in errors: "topic orders at b1:9092". publishesTo names the log without the address of
// the broker, which may move: "topic orders". newLog returns a log that is not open, for one run.
//
// seed.Run publishes what follows after the end of the log. seed.Rewind begins another generation.
// The target keeps nothing but the messages, so it cannot park events, and has no consumer names:
// a feed has one publisher to a log.
func NewTarget(name, publishesTo string, newLog func() Log) seed.Target {
	return seed.NewTarget(target{name: name, publishesTo: publishesTo, newLog: newLog})
}

// target is a checkpoint.Target.
type target struct {
	name, publishesTo string
	newLog            func() Log
}

// Describe returns what is the same for all logs.
func (t target) Describe() checkpoint.Description {
	cannot := checkpoint.PublisherCannot()
	cannot[checkpoint.SeveralFeeds] = "a log has the history of one feed; run a publisher for each"
	cannot[checkpoint.StartingOver] = "messages cannot be deleted; seeder rewind begins another generation"
	return checkpoint.Description{
		Name:   t.name,
		Sink:   checkpoint.Consumer{Sink: checkpoint.SinkPublisher, PublishesTo: t.publishesTo},
		Cannot: cannot,
	}
}

// Open returns a backend.
func (t target) Open(bool) checkpoint.Backend { return &session{target: t, log: t.newLog()} }
