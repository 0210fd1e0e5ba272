//go:build unix

package foreign_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestTheSourceOfAnEntryIsAURIReference(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"urn:x:blog":                      "urn:x:blog",
		"https://example.org/größe?a b":   "https://example.org/gr%C3%B6%C3%9Fe?a%20b",
		"https://example.org/a%20b":       "https://example.org/a%20b",
		"tag:example.org,2026:100% [new]": "urn:uuid:",
	} {
		feed := newSite(t)
		feed.write(t, "feed.atom", doc{id: id, posts: "a@1"}.atom(t))
		s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
		must.OK(t, s.run(t))
		if got := s.applied[0].Source; !strings.HasPrefix(got, want) || !cloudevents.IsURIReference(got) {
			t.Errorf("%s: source %s", id, got)
		}
	}
}

func TestTimesOfAtomAreThoseOfRFC3339(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	feed.write(t, "feed.atom", strings.ReplaceAll(doc{posts: "b@2 a@1"}.atom(t), "T03:02:00Z", "t03:02:00z"))
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	must.OK(t, s.run(t))
	s.want(t, "a@1 b@2")
}
