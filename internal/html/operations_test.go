package html_test

import (
	"errors"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// operationsPage renders the operations page with the types of nasty events as the names and programs
// of readers, and as errors.
func operationsPage(t testing.TB, nasty []event.Event) []byte {
	t.Helper()
	list, failing := &readers.List{}, map[string]string{}
	for i := range nasty {
		list.Visit(readers.Identity{Feed: "f", Kind: readers.Certificate, Name: nasty[i].Type}, nasty[i].Subject).OfOtherHistory()
		list.Visit(readers.Identity{Feed: "f", Kind: readers.Address, Name: nasty[i].Type}, nasty[i].Subject).At("e", 1)
		failing["f"] += nasty[i].Type
	}
	state := &feedstate.State{Feed: store.Feed{Name: "f", Position: 1000, Published: 1000, Epochs: []feed.Epoch{{ID: "e", FirstPosition: 1}}}}
	report := overview.Gather(overview.Sources{
		Ready: func() error { return errors.New(nasty[0].Type) },
		Live: &overview.Live{
			Feeds:  func() []*feedstate.State { return []*feedstate.State{state} },
			CutOff: func() (time.Duration, bool) { return time.Hour, true },
			Known: func() overview.Known {
				return overview.Known{Err: errors.New(failing["f"]), Stats: store.Stats{Feeds: []store.FeedStats{{Name: "f", Pending: 1, EpochStarted: time.Now(), EpochReason: nasty[1].Type}}}}
			},
			Failing: func() (a, b map[string]string) { return failing, failing },
			Readers: list, Progress: &readers.Progress{},
		},
	}, time.Now())
	view, err := overview.Select(report, overview.Query{Search: "f", Readers: 1}, overview.ShownRows)
	must.OK(t, err)
	page, err := html.Operations(view)
	must.OK(t, err)
	return page
}
