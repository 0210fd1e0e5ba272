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

// exampleTB is what a node needs of a test, where there is none.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                   {}
func (exampleTB) Context() context.Context  { return context.Background() }
func (exampleTB) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (exampleTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
