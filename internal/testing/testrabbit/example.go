//go:build unix

package testrabbit

import (
	"context"
	"fmt"
	"testing"
)

// ForExample is [Node.VHost] on the node of [Start], for an example. Without RabbitMQ it panics:
// need.RunWithExamplesOf skips the example before.
func ForExample() (url string) {
	t := exampleTB{}
	_, url = Start(t).VHost(t)
	return url
}

// StreamForExample makes a stream on the node of [Start], for an example, and returns its URL and a
// function that reads it.
func StreamForExample(stream string) (url string, read func() []Message) {
	t := exampleTB{}
	n := Start(t)
	vhost, amqp := n.VHost(t)
	n.Stream(t, vhost, stream, nil)
	return "rabbitmq-stream://" + n.AddressStream() + "/" + vhost + "?stream=" + stream,
		func() []Message { return n.ReadStream(t, vhost, amqp, stream) }
}

// exampleTB is what a node needs of a test, where there is none.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                   {}
func (exampleTB) Context() context.Context  { return context.Background() }
func (exampleTB) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (exampleTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
