//go:build unix

package testkafka

import (
	"context"
	"fmt"
	"testing"
)

// ForExample makes a topic of one partition, and the topic of the checkpoints, on the broker of
// [Start], for an example. Without Kafka it panics: need.RunWithExamplesOf skips the example before.
func ForExample() (brokers, topic string) {
	t := &exampleTB{}
	defer t.cleanUp()
	n := Start(t)
	n.Checkpoints(t)
	return n.Address(), n.Topic(t, 1)
}

// exampleTB is what a broker needs of a test, where there is none.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (*exampleTB) Helper()                   {}
func (*exampleTB) Context() context.Context  { return context.Background() }
func (*exampleTB) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (*exampleTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (t *exampleTB) Cleanup(f func())        { t.cleanups = append(t.cleanups, f) }

func (t *exampleTB) cleanUp() {
	for _, f := range t.cleanups {
		f()
	}
}
