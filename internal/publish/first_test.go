package publish_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// Who starts a server and then a reader finds what was appended before.
func TestPendingEventsArePlacedBeforeAServerAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "orders", 10)
		storetest.Append(t, l, "orders", storetest.Events(1, 25))
		publish.First(t.Context(), l, publish.NewMetrics(nil))
		f, err := l.Feed(t.Context(), "orders")
		must.OK(t, err)
		if f.Position != 25 {
			t.Errorf("position %d", f.Position)
		}
	})
}
