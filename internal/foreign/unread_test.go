//go:build unix

package foreign_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// unread looks at the feed as somebody who only wants to know how much there
// is, and must leave all as it is.
func (s *seeder) unread(t *testing.T) (foreign.Unread, error) {
	t.Helper()
	reader, _, err := s.open(t)
	must.OK(t, err)
	s.fetched = nil
	return reader.Unread(t.Context())
}

// wantUnread says how many events there are, and the time of the earliest.
func (s *seeder) wantUnread(t *testing.T, events int64, minute int) {
	t.Helper()
	got, err := s.unread(t)
	must.OK(t, err)
	want := foreign.Unread{Events: events}
	if events > 0 {
		want.Since = at(minute)
	}
	if got.Events != want.Events || !got.Since.Equal(want.Since) {
		t.Errorf("not applied are %+v, want %+v", got, want)
	}
}

func TestWhatIsNotAppliedIsWhatTheSeederWouldApply(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		s.wantUnread(t, 6, 1)
		must.OK(t, s.run(t))
		s.wantUnread(t, 0, 0)
		if len(s.fetched) > 0 {
			t.Errorf("fetched %s besides the document", s.fetched)
		}
		// A further entry, a further version, an older one, one twice.
		feed.write(t, "feed.atom", doc{links: "prev-archive=2.atom", posts: "h@12 h@11 f@9 e@4 d@4"}.atom(t))
		s.wantUnread(t, 2, 9)
		if len(s.fetched) > 0 {
			t.Errorf("fetched %s besides the document", s.fetched)
		}
		// Across a rollover.
		feed.write(t, "3.atom", archive("2.atom", "e@5 f@9 g@7").atom(t))
		feed.write(t, "4.atom", archive("3.atom", "g@10 i@8").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=4.atom", posts: "h@12"}.atom(t))
		s.wantUnread(t, 4, 8)
		if got := strings.Join(s.fetched, " "); got != "4.atom 3.atom" {
			t.Errorf("fetched %s", got)
		}
		must.OK(t, s.run(t))
		s.want(t, whole+" f@9 i@8 g@10 h@12")
		s.wantUnread(t, 0, 0)
	})
}

// While a seed is under way all of what is left of it is counted, and no archive
// is fetched again.
func TestWhatIsLeftOfASeedIsNotApplied(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		for i := range 12 {
			prev := ""
			if i > 0 {
				prev = fmt.Sprintf("%d.atom", i-1)
			}
			feed.write(t, fmt.Sprintf("%d.atom", i), archive(prev, fmt.Sprintf("a%d@%d b%d@%d", i, 2*i, i, 2*i+1)).atom(t))
		}
		feed.write(t, "feed.atom", doc{links: "prev-archive=11.atom", posts: "y@31 b11@23"}.atom(t))
		if _, err := s.unread(t); !errors.Is(err, foreign.ErrMore) || !strings.Contains(err.Error(), "feed.atom") {
			t.Errorf("nothing is known of 12 archives: %v", err)
		}
		if len(s.fetched) > 5 {
			t.Errorf("fetched %s", s.fetched)
		}
		reader, c, err := s.open(t)
		must.OK(t, err)
		_, err = s.catchUp(t, reader, c, 5)
		must.OK(t, err)
		s.wantUnread(t, 20, 5)
		if len(s.fetched) > 0 {
			t.Errorf("fetched %s besides the document", s.fetched)
		}
	})
}

func TestOfOtherKindsTheDocumentsThatAreReadAreCounted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "feed.atom", doc{posts: "b@2 a@1"}.atom(t))
		must.OK(t, s.run(t))
		feed.write(t, "feed.atom", doc{posts: "d@4 c@3 b@2"}.atom(t))
		s.wantUnread(t, 2, 3)

		s = &seeder{target: ofFeed{s.target, "urn:paged"}, url: feed.url + "/paged.atom"}
		for n, list := range []string{"f@6 e@5", "d@4 c@3", "b@2 a@1"} {
			page := doc{id: "urn:paged", posts: list}
			if n < 2 {
				page.links = fmt.Sprintf("next=page%d.atom", n+1)
			}
			name := "paged.atom"
			if n > 0 {
				name = fmt.Sprintf("page%d.atom", n)
			}
			feed.write(t, name, page.atom(t))
		}
		s.wantUnread(t, 6, 1)
		must.OK(t, s.run(t))
		s.wantUnread(t, 0, 0)
		feed.write(t, "paged.atom", doc{id: "urn:paged", posts: "f@8 g@7", links: "next=page1.atom"}.atom(t))
		s.wantUnread(t, 2, 7)
		if got := strings.Join(s.fetched, " "); got != "page1.atom" {
			t.Errorf("fetched %s", got)
		}
	})
}

// Where nobody says when an entry was made, nobody knows since when it waits.
func TestEntriesWithoutATimeHaveNone(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.rss"}
	feed.write(t, "feed.rss", `<rss version="2.0"><channel><title>N</title><item><guid>1</guid></item></channel></rss>`)
	got, err := s.unread(t)
	must.OK(t, err)
	if got != (foreign.Unread{Events: 1, Undated: true}) {
		t.Errorf("not applied are %+v", got)
	}
}

func TestAChainThatIsNotTheOneThatWasReadIsAMismatchToWhoeverAsks(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	writeArchived(t, feed)
	must.OK(t, s.run(t))
	feed.write(t, "feed.atom", doc{posts: "g@7"}.atom(t))
	if _, err := s.unread(t); !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), "reaches none of the 2") {
		t.Errorf("ended with %v", err)
	}
	feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "g@7"}.atom(t))
	feed.write(t, "3.atom", archive("3.atom", "f@6").atom(t))
	if _, err := s.unread(t); err == nil {
		t.Error("a chain that loops has an end")
	}
}

// The publisher may be about to write it: that is for the seeder to find out.
func TestAnArchiveThatIsNotThereYetIsNoMismatchToWhoeverAsks(t *testing.T) {
	t.Parallel()
	for name, halve := range halves {
		feed := newSite(t)
		s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
		writeArchived(t, feed)
		must.OK(t, s.run(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "g@7"}.atom(t))
		halve(t, feed, "3.atom", archive("2.atom", "f@6").atom(t))
		if _, err := s.unread(t); err == nil || errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), feed.url+"/3.atom: ") {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}
