//go:build unix

package foreign_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// items is RSS with items of one guid, or of one link, that say different things.
func items(element string, titles ...string) string {
	var b strings.Builder
	b.WriteString(`<rss version="2.0"><channel><title>t</title><link>http://x/</link><description>d</description>`)
	for _, title := range titles {
		fmt.Fprintf(&b, "<item>%s<title>%s</title></item>", element, title)
	}
	return b.String() + "</channel></rss>"
}

// entries is Atom with entries of one id that say different things.
func entries(links, more, minutes string, titles ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0"><id>%s</id><title>t</title>%s%s`, feedID, doc{links: links}.linkElements("link"), more)
	for _, title := range titles {
		fmt.Fprintf(&b, "<entry><id>urn:x:1</id><title>%s</title><updated>2026-01-02T03:%s:00Z</updated></entry>", title, minutes)
	}
	return b.String() + "</feed>"
}

// sharings are feeds with entries that share an id: what is in them, and how many are
// left out of how many.
var sharings = map[string]struct {
	files   map[string]string
	leftOut int
	all     int
}{
	"a guid":                {map[string]string{"feed.atom": items(`<guid isPermaLink="false">N/A</guid>`, "a", "b", "c")}, 2, 3},
	"a link":                {map[string]string{"feed.atom": items(`<link>http://x/news</link>`, "a", "b")}, 1, 2},
	"neither guid nor link": {map[string]string{"feed.atom": items("", "a", "b")}, 0, 2},
	"the same item again":   {map[string]string{"feed.atom": items(`<guid>1</guid>`, "a", "a", "a")}, 0, 1},
	"two of four the same":  {map[string]string{"feed.atom": items(`<guid>1</guid>`, "a", "b", "a", "b")}, 1, 2},
	"an Atom id":            {map[string]string{"feed.atom": entries("", "", "01", "a", "b", "c")}, 2, 3},
	"an Atom id on two pages": {map[string]string{
		"feed.atom": entries("next=2.atom", "", "01", "a"), "2.atom": entries("previous=feed.atom", "", "01", "b", "a"),
	}, 1, 2},
	"an Atom id in two archives": {map[string]string{
		"feed.atom": entries("prev-archive=2.atom", "", "01", "a"),
		"2.atom":    entries("prev-archive=1.atom", archiveMark, "01", "b"), "1.atom": entries("", archiveMark, "01", "c", "a"),
	}, 2, 3},
	"an older version in an archive": {map[string]string{
		"feed.atom": entries("prev-archive=1.atom", "", "05", "new"), "1.atom": entries("", archiveMark, "01", "old"),
	}, 1, 2},
	"the same entry in an archive": {map[string]string{
		"feed.atom": entries("prev-archive=1.atom", "", "01", "a"), "1.atom": entries("", archiveMark, "01", "a"),
	}, 0, 1},
}

func TestEntriesThatShareAnIDAreCountedOrKept(t *testing.T) {
	t.Parallel()
	for name, test := range sharings {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, feed *site, s *seeder) {
				for name, text := range test.files {
					feed.write(t, name, text)
				}
				reader, c, err := s.open(t)
				must.OK(t, err)
				_, err = s.catchUp(t, reader, c, -1)
				must.OK(t, err)
				if n := len(s.applied); n != test.all-test.leftOut || reader.SameID() != int64(test.leftOut) {
					t.Errorf("applied %d, left out %d; want %d of %d left out", n, reader.SameID(), test.leftOut, test.all)
				}
				if warned := strings.Contains(s.log.String(), fmt.Sprintf("left_out=%d ", test.leftOut)); warned != (test.leftOut > 0) {
					t.Errorf("logged %s", s.log.String())
				}
			})
			feed := newSite(t)
			for name, text := range test.files {
				feed.write(t, name, text)
			}
			s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", keep: true}
			for range 2 { // the second run finds nothing new
				reader, c, err := s.open(t)
				must.OK(t, err)
				_, err = s.catchUp(t, reader, c, -1)
				must.OK(t, err)
				s.keep = false // a consumer stays as it was begun
				if n := len(s.applied); n != test.all || reader.SameID() != 0 || strings.Contains(s.log.String(), "left_out") {
					t.Errorf("applied %d of %d, left out %d, logged %s", n, test.all, reader.SameID(), s.log.String())
				}
			}
		})
	}
}

// What comes under an id that was applied, with no later time, is left out and counted,
// once for each reader.
func TestAnEntryUnderTheIDOfAnAppliedOneIsCountedWhileFollowing(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	const guid = `<guid isPermaLink="false">N/A</guid>`
	feed.write(t, "feed.atom", items(guid, "a"))
	reader, c, err := s.open(t)
	must.OK(t, err)
	c, err = s.catchUp(t, reader, c, -1)
	must.OK(t, err)
	for n, titles := range [][]string{{"a"}, {"b", "a"}, {"c", "b", "a"}, {"c", "b"}} {
		feed.write(t, "feed.atom", items(guid, titles...))
		must.OK(t, reader.Fetch(t.Context()))
		c, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		if want := int64(min(n, 2)); reader.SameID() != want || len(s.applied) != 1 {
			t.Errorf("%s: %d left out, want %d; %d applied", titles, reader.SameID(), want, len(s.applied))
		}
	}
	s.keep = true
	if _, _, err := s.open(t); err == nil || !strings.Contains(err.Error(), "was started without --keep-same-id") {
		t.Errorf("ended with %v", err)
	}
}
