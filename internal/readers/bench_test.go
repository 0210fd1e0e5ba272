package readers_test

import (
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/internal/readers"
)

// BenchmarkVisit is what the list adds to a request for a document that has not changed, while it
// is full and others use it.
func BenchmarkVisit(b *testing.B) {
	l := &readers.List{}
	for n := range readers.Limit {
		l.Visit(address(fmt.Sprint(n)), "eventfeed")
	}
	id := address("500")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			v := l.Visit(id, "eventfeed")
			v.Ask()
			v.At("8a4b4b9b-6c9e-4c3c-9a0a-54de01f9b6d5", 70)
		}
	})
}
