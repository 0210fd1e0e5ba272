//go:build unix

package foreign_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestAPagedFeedIsReadFromItsLastPageOn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "feed.atom", doc{links: "next=2.atom first=feed.atom last=3.atom", posts: "f@6 e@5"}.atom(t))
		feed.write(t, "2.atom", doc{links: "previous=feed.atom next=3.atom", posts: "e@5 d@4 c@3 x@2"}.atom(t)) // e has moved meanwhile
		feed.write(t, "3.atom", doc{links: "previous=2.atom", posts: "b@2 a@1 x@1"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 x@2 c@3 d@4 e@5 f@6")
		if !strings.Contains(s.log.String(), "paged") || strings.Count(s.log.String(), "WARN") != 2 || !strings.Contains(s.log.String(), "left_out=1 ids=x") {
			t.Errorf("logged %s", s.log.String())
		}

		// New entries move all others on; the pages behind the first known one are left alone.
		feed.write(t, "feed.atom", doc{links: "next=2.atom", posts: "i@9 h@8"}.atom(t))
		feed.write(t, "2.atom", doc{links: "next=3.atom", posts: "g@7 f@6"}.atom(t))
		feed.write(t, "3.atom", doc{links: "next=4.atom", posts: "e@5 d@4"}.atom(t))
		s.fetched = nil
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 x@2 c@3 d@4 e@5 f@6 g@7 h@8 i@9")
		if got := strings.Join(s.fetched, " "); got != "feed.atom 2.atom 3.atom" {
			t.Errorf("fetched %s", got)
		}
		s.fetched = nil
		must.OK(t, s.run(t))
		if got := strings.Join(s.fetched, " "); got != "feed.atom" {
			t.Errorf("nothing is new, and it fetched %s", got)
		}
	})
}

// The pages of a paged feed are read once: what moves between them while they
// are applied is not missed.
func TestPagesThatMoveWhileTheyAreAppliedLoseNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "feed.atom", doc{links: "next=2.atom", posts: "d@4 c@3"}.atom(t))
		feed.write(t, "2.atom", doc{posts: "b@2 a@1"}.atom(t))
		reader, c, err := s.open(t)
		must.OK(t, err)
		must.OK(t, reader.Look(t.Context(), placeOf(c)))
		feed.write(t, "feed.atom", doc{links: "next=2.atom", posts: "e@5 d@4"}.atom(t))
		feed.write(t, "2.atom", doc{posts: "c@3 b@2"}.atom(t))
		_, err = s.catchUp(t, reader, c, 3) // and it is broken off
		must.OK(t, err)
		s.want(t, "a@1 b@2 c@3")
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5")
	})
}

func TestPagesThatLoopStopTheReader(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	feed.write(t, "feed.atom", doc{links: "next=2.atom", posts: "d@4"}.atom(t))
	feed.write(t, "2.atom", doc{links: "next=3.atom", posts: "c@3"}.atom(t))
	feed.write(t, "3.atom", doc{links: "next=2.atom", posts: "b@2"}.atom(t))
	if err := s.run(t); err == nil || !strings.Contains(err.Error(), "loops") {
		t.Errorf("ended with %v", err)
	}
	s.want(t, "")
}

// The URL of a stream of EventStoreDB leads to its newest page, which has another URL
// as the first one.
func TestAPageOfAFeedLeadsToItsFirstPage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		newest := doc{links: "self=feed.atom first=head.atom last=1.atom next=2.atom previous=4.atom metadata=m", posts: "f@6 e@5"}
		for _, name := range []string{"feed.atom", "head.atom"} {
			feed.write(t, name, newest.atom(t))
		}
		feed.write(t, "2.atom", doc{links: "self=feed.atom first=head.atom last=1.atom next=1.atom previous=3.atom", posts: "d@4 c@3"}.atom(t))
		feed.write(t, "1.atom", doc{links: "self=feed.atom first=head.atom previous=2.atom", posts: "b@2 a@1"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6")
		feed.write(t, "head.atom", doc{links: "self=feed.atom first=head.atom next=2.atom previous=5.atom", posts: "g@7 f@6"}.atom(t))
		reader, c, err := s.open(t)
		must.OK(t, err)
		c, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6 g@7")
		s.fetched = nil
		feed.write(t, "head.atom", doc{links: "self=feed.atom first=head.atom next=2.atom previous=6.atom", posts: "h@8 g@7"}.atom(t))
		must.OK(t, reader.Fetch(t.Context()))
		_, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6 g@7 h@8")
		if s.fetched[0] != "head.atom" {
			t.Errorf("fetched %s", s.fetched)
		}
	})
}

// A complete feed is all there is: links to anything before it lead nowhere.
func TestACompleteFeedIsReadAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		complete := doc{more: "<fh:complete/>", links: "prev-archive=1.atom next=2.atom", posts: "c@3 b@2 a@1"}
		feed.write(t, "feed.atom", complete.atom(t))
		must.OK(t, s.run(t))
		complete.posts = "d@4 b@5 a@1" // c was removed, b has changed
		feed.write(t, "feed.atom", complete.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 b@5")
		if !strings.Contains(s.log.String(), "removals are not noticed") {
			t.Errorf("logged %s", s.log.String())
		}
	})
}

func TestAPlainFeedGivesWhatItShows(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		for _, list := range []string{"c@3 b@2 a@1", "d@4 c@3 b@2", "", "z@9 d@5"} { // what came between the last two is lost
			feed.write(t, "feed.atom", doc{posts: list}.rss(t))
			must.OK(t, s.run(t))
		}
		s.want(t, "a@1 b@2 c@3 d@4 d@5 z@9")
		if !strings.Contains(s.log.String(), "are lost") || strings.Count(s.log.String(), "WARN") != 4 {
			t.Errorf("logged %s", s.log.String())
		}
	})
}

// RSS has no id: its archives are the feed's if they name no other.
func TestRSSCanBeArchived(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "1.rss", doc{more: archiveMark, links: "current=feed.atom", posts: "a@1 b@2"}.rss(t))
		feed.write(t, "2.rss", doc{more: archiveMark, links: "prev-archive=1.rss", posts: "c@3 b@4"}.rss(t))
		feed.write(t, "feed.atom", doc{links: "self=feed.atom prev-archive=2.rss", posts: "d@5"}.rss(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 c@3 b@4 d@5")
		feed.write(t, "3.rss", doc{more: archiveMark, links: "prev-archive=2.rss current=other.rss", posts: "e@6"}.rss(t))
		feed.write(t, "feed.atom", doc{links: "self=feed.atom prev-archive=3.rss"}.rss(t))
		if err := s.run(t); err == nil || !strings.Contains(err.Error(), "/3.rss: is an archive of another feed") {
			t.Errorf("ended with %v", err)
		}
		s.want(t, "a@1 c@3 b@4 d@5")
	})
}

// Links are relative to the base that is said, or to where the document is, after redirects.
func TestLinksAreRelativeToWhatTheyStandIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "a/1.atom", archive("", "a@1").atom(t))
		feed.write(t, "a/2.atom", archive("?x=1", "b@2").atom(t)) // a query alone
		feed.write(t, "b/feed.atom", strings.Replace(doc{links: "prev-archive=2.atom#end", posts: "c@3"}.atom(t), "<feed ", fmt.Sprintf(`<feed xml:base="%s/x/../a/index" `, feed.url), 1))
		feed.write(t, "a/2.atom", archive("http://"+strings.ToUpper(strings.TrimPrefix(feed.url, "http://"))+"/a/1.atom", "b@2").atom(t))
		s.url = feed.url + "/moved/b/feed.atom"
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3")
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	for path, want := range map[string]string{
		"orders.atom":                   "orders",
		"blog/feed.atom":                "blog",
		"blog/rss/index.xml":            "blog",
		"Größe und Maß.atom":            "gr--e-und-ma",
		"feed.atom":                     "127.0.0.1",
		"x/" + strings.Repeat("a", 100): strings.Repeat("a", 63),
	} {
		feed.write(t, path, doc{posts: "a@1"}.atom(t))
		s := &seeder{target: newSQLite(t), url: feed.url + "/" + path}
		reader, _, err := s.open(t)
		must.OK(t, err)
		if reader.Name != want || reader.Kind != foreign.Plain || reader.ID != feedID || reader.Title != "Posts" {
			t.Errorf("%s: name %q, kind %s, id %s, title %s; want name %q", path, reader.Name, reader.Kind, reader.ID, reader.Title, want)
		}
	}
}
