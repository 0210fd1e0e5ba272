package store_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// TestDocumentKnowsTheDigestAtEachPosition: what the log says of them is what
// the events give, however the document came about.
func TestDocumentKnowsTheDigestAtEachPosition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 20)
		var known *feed.Document
		for last := 0; last < 150; last += 13 {
			storetest.Append(t, l, "f", storetest.Events(last+1, last+13))
			storetest.Drain(t, l, "f")
			for _, from := range []*feed.Document{nil, known} {
				_, d, err := l.Subscription(t.Context(), "f", from)
				must.OK(t, err)
				computed := *d
				computed.Digests = nil
				for p := d.First - 1; p <= d.Last; p++ {
					got, err := d.DigestAt(p)
					must.OK(t, err)
					want, err := computed.DigestAt(p)
					must.OK(t, err)
					if got != want || len(d.Digests) != len(d.Entries) {
						t.Errorf("digest at position %d is %s, want %s", p, got, want)
					}
				}
				known = d
			}
		}
	})
}
