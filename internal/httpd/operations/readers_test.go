package operations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Readers with a token or certificate have metrics of their own, at most 100; all are counted.
func TestReadersWithNamesHaveMetricsOfTheirOwn(t *testing.T) {
	t.Parallel()
	list := &readers.List{}
	visit := func(kind readers.Kind, name string) readers.Visit {
		return list.Visit(readers.Identity{Feed: "f", Kind: kind, Name: name}, "eventfeed")
	}
	visit(readers.Token, "shipping").At("e", 7)
	visit(readers.Certificate, "shipping").At("e", 1) // the same name once more
	visit(readers.Certificate, "bad\xff\nname").Wait("e", 10)
	visit(readers.Token, "lost").OfOtherHistory()
	visit(readers.Address, "10.0.0.1").At("e", 3)
	list.Visit(readers.Identity{Feed: "gone", Kind: readers.Token, Name: "shipping"}, "").At("e", 3)
	registry := prometheus.NewRegistry()
	registry.MustRegister(operations.NewReaders(list, &readers.Progress{}, func() []*feedstate.State {
		return []*feedstate.State{
			{Feed: store.Feed{Name: "f", Published: 10, Epochs: []feed.Epoch{{ID: "e"}}}},
			{Feed: store.Feed{Name: "g", Epochs: []feed.Epoch{{ID: "e"}}}},
		}
	}))
	const want = `
# HELP eventfeed_reader_lag_events Events of the feed that the reader has not fetched from this server.
# TYPE eventfeed_reader_lag_events gauge
eventfeed_reader_lag_events{feed="f",reader="bad\nname"} 0
eventfeed_reader_lag_events{feed="f",reader="shipping"} 3
# HELP eventfeed_reader_position Position up to which a reader with a token or certificate has fetched the feed from this server.
# TYPE eventfeed_reader_position gauge
eventfeed_reader_position{feed="f",reader="bad\nname"} 10
eventfeed_reader_position{feed="f",reader="shipping"} 7
# HELP eventfeed_readers Readers of the feed that this server has seen in the last week, at most 10,000 with a name and 1,000 without one in all feeds.
# TYPE eventfeed_readers gauge
eventfeed_readers{feed="f"} 5
eventfeed_readers{feed="g"} 0
`
	must.OK(t, testutil.GatherAndCompare(registry, strings.NewReader(want), "eventfeed_reader_position", "eventfeed_reader_lag_events", "eventfeed_readers"))
	for n := range 300 {
		visit(readers.Token, fmt.Sprint("t", n)).At("e", 1)
	}
	for name, want := range map[string]int{"eventfeed_reader_position": 99, "eventfeed_reader_lag_seconds": 99, "eventfeed_reader_last_seen_timestamp_seconds": 100} {
		if got, err := testutil.GatherAndCount(registry, name); got != want || err != nil {
			t.Errorf("%s: %d, want %d: %v", name, got, want, err)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	must.OK(t, err)
	if len(problems) > 0 {
		t.Error(problems)
	}
}
