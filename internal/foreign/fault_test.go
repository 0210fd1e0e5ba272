//go:build unix

package foreign_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// fault is something wrong with a feed: what is done to the one of
// writeArchived, and what the error says.
type fault struct {
	after bool // the feed was read before
	make  func(t *testing.T, feed *site)
	url   string // the document that the error names
	says  string
	read  string // what was applied all the same
}

func put(name string, d doc) func(t *testing.T, feed *site) {
	return func(t *testing.T, feed *site) { feed.write(t, name, d.atom(t)) }
}

var whole = "a@1 b@2 c@3 d@4 e@5 f@6"

var faults = map[string]fault{
	"a chain that loops": {
		make: put("1.atom", archive("2.atom", "a@1 b@2")), url: ".atom", says: "loops",
	},
	"an archive that names itself": {
		make: put("1.atom", archive("1.atom", "a@1 b@2")), url: "1.atom", says: "loops",
	},
	"a chain that leads back to the feed": {
		make: put("1.atom", archive("feed.atom", "a@1 b@2")), url: "1.atom", says: "loops: it leads back to the feed",
	},
	"a fork in the feed's document": {
		make: put("feed.atom", doc{links: "prev-archive=2.atom prev-archive=1.atom", posts: "f@6"}),
		url:  "feed.atom", says: "forks: it has two links prev-archive, to http://",
	},
	"a fork in an archive": {
		make: put("2.atom", doc{more: archiveMark, links: "prev-archive=1.atom prev-archive=0.atom", posts: "d@4"}),
		url:  "2.atom", says: "forks",
	},
	"an archive of another feed": {
		make: put("1.atom", doc{id: "tag:example.org,2026:comments", more: archiveMark, posts: "z@1"}),
		url:  "1.atom", says: `another feed, "tag:example.org,2026:comments"`,
	},
	"an archive at another origin": {
		make: put("2.atom", archive("http://archive.example.org/1.atom", "d@4 c@3")),
		url:  "2.atom", says: "http://archive.example.org/1.atom: leads to another origin",
	},
	"an archive that is missing": {
		make: func(t *testing.T, feed *site) { feed.remove(t, "1.atom") }, url: "1.atom", says: "breaks off",
	},
	"an archive that is gone": {
		make: put("2.atom", archive("gone/1.atom", "d@4 c@3")), url: "gone/1.atom", says: "410",
	},
	"an archive that is a page of a website": {
		make: func(t *testing.T, feed *site) { feed.write(t, "1.atom", "<!doctype html><title>Welcome</title>") },
		url:  "1.atom", says: "is an HTML page",
	},
	"an archive that is cut off": {
		make: func(t *testing.T, feed *site) {
			whole := archive("", "a@1 b@2").atom(t)
			feed.write(t, "1.atom", whole[:len(whole)-40])
		},
		url: "1.atom", says: "unexpected EOF",
	},
	"an archive that is empty": {
		make: func(t *testing.T, feed *site) { feed.write(t, "1.atom", "") }, url: "1.atom", says: "is empty",
	},
	"an archive in another format": {
		make: func(t *testing.T, feed *site) { feed.write(t, "1.atom", archive("", "a@1").rss(t)) },
		url:  "1.atom", says: "another feed",
	},
	"an applied archive that has changed": {
		after: true, make: put("2.atom", archive("1.atom", "d@4 c@3 z@3")), url: "2.atom", says: "has changed since it was read", read: whole,
	},
	"an applied archive that lacks an entry": {
		after: true, make: put("2.atom", archive("1.atom", "d@4")), url: "2.atom", says: "has changed since it was read", read: whole,
	},
	"an applied archive with another one before it": {
		after: true, make: func(t *testing.T, feed *site) {
			feed.write(t, "0.atom", archive("", "a@1 b@2").atom(t))
			feed.write(t, "2.atom", archive("0.atom", "d@4 c@3").atom(t))
		}, url: "2.atom", says: "the archive before this one was", read: whole,
	},
	"an applied archive that is missing": {
		after: true, make: func(t *testing.T, feed *site) { feed.remove(t, "2.atom") }, url: "2.atom", says: "breaks off", read: whole,
	},
	"a chain that leads to nothing that was read": {
		after: true, make: func(t *testing.T, feed *site) {
			feed.write(t, "new/1.atom", archive("", "a@1 b@2").atom(t))
			feed.write(t, "new/2.atom", archive("1.atom", "d@4 c@3").atom(t))
			feed.write(t, "feed.atom", doc{links: "prev-archive=new/2.atom", posts: "g@7"}.atom(t))
		}, url: "new/1.atom", says: "reaches none of the 2 that were read", read: whole,
	},
	"a chain that branches off what was read": {
		after: true, make: func(t *testing.T, feed *site) {
			feed.write(t, "two.atom", archive("1.atom", "d@4 c@3").atom(t))
			feed.write(t, "feed.atom", doc{links: "prev-archive=two.atom", posts: "g@7"}.atom(t))
		}, url: "two.atom", says: "as another one does that was read", read: whole,
	},
	"a feed that has its archives no more": {
		after: true, make: put("feed.atom", doc{posts: "g@7 f@6"}), url: "feed.atom", says: "reaches none of the 2", read: whole,
	},
	"an entry without an id": {
		make: func(t *testing.T, feed *site) {
			feed.write(t, "1.atom", strings.ReplaceAll(archive("", "a@1").atom(t), "<id>a</id>", ""))
		},
		url: "1.atom", says: "has no id",
	},
}

func TestWhatDoesNotAddUpStopsTheReader(t *testing.T) {
	t.Parallel()
	for name, f := range faults {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, feed *site, s *seeder) {
				writeArchived(t, feed)
				if f.after {
					must.OK(t, s.run(t))
				}
				f.make(t, feed)
				for range 2 { // and it goes on to do so
					err := s.run(t)
					if !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), f.says) || !strings.Contains(err.Error(), feed.url) || !strings.Contains(err.Error(), f.url+": ") {
						t.Errorf("ended with %v", err)
					}
				}
				s.want(t, f.read)
				if f.after {
					return
				}
				writeArchived(t, feed) // and all is well when it has been put right
				must.OK(t, s.run(t))
				s.want(t, whole)
			})
		})
	}
}

// What changes between the way back and the way forward was never applied.
func TestAnArchiveThatChangesWhileItIsReadStopsTheReader(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		reader, c, err := s.open(t)
		must.OK(t, err)
		must.OK(t, reader.Look(t.Context(), placeOf(c)))
		feed.write(t, "2.atom", archive("1.atom", "c@3 d@4 z@4").atom(t))
		_, err = s.catchUp(t, reader, c, -1)
		if !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), feed.url+"/2.atom: ") {
			t.Errorf("ended with %v", err)
		}
		s.want(t, "a@1 b@2")
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 z@4 e@5 f@6")
	})
}

// Nothing of archives that were never applied is waited for when they are gone.
func TestWhatIsForgottenIsForgottenWhole(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		must.OK(t, s.run(t))
		feed.write(t, "4.atom", archive("3.atom", "a@9 g@7").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=4.atom"}.atom(t))
		if err := s.run(t); !errors.Is(err, walk.ErrMismatch) { // there is no 3.atom
			t.Errorf("ended with %v", err)
		}
		feed.write(t, "feed.atom", doc{links: "prev-archive=2.atom", posts: "a@8"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, whole+" a@8")
	})
}

func TestAChainIsBounded(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", max: 2}
	feed.write(t, "0.atom", archive("", "z@0").atom(t))
	writeArchived(t, feed)
	must.OK(t, s.run(t))
	feed.write(t, "3.atom", archive("2.atom", "g@7").atom(t))
	feed.write(t, "4.atom", archive("3.atom", "h@8").atom(t))
	feed.write(t, "5.atom", archive("4.atom", "i@9").atom(t))
	feed.write(t, "feed.atom", doc{links: "prev-archive=5.atom"}.atom(t))
	err := s.run(t)
	if !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), "longer than 2") {
		t.Errorf("ended with %v", err)
	}
	s.max = 3
	must.OK(t, s.run(t))
	s.want(t, whole+" g@7 h@8 i@9")
}

func TestARedirectToAnotherOriginIsNotFollowed(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	feed.write(t, "feed.atom", doc{links: "prev-archive=away/1.atom", posts: "a@1"}.atom(t))
	if err := s.run(t); !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), "away/1.atom: ") || !strings.Contains(err.Error(), "another origin") {
		t.Errorf("ended with %v", err)
	}
	s.want(t, "")
}

// A cache on the way may hand out a document that is older than what was read.
func TestAnOlderDocumentChangesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		must.OK(t, s.run(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=1.atom", posts: "d@4 c@3"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, whole)
	})
}

func TestWhatIsNotTheFeedItselfIsRefused(t *testing.T) {
	t.Parallel()
	feed, target := newSite(t), newSQLite(t)
	for name, test := range map[string]struct{ text, says string }{
		"archive.atom": {archive("", "a@1").atom(t), "is not the feed itself, but an archive; give " + feed.url + "/feed.atom"},
		"page.atom":    {doc{links: "previous=p1.atom first=p1.atom next=p3.atom", posts: "a@1"}.atom(t), "is not the feed itself, but one of its pages; give " + feed.url + "/p1.atom"},
		"link-local":   {doc{more: archiveMark, links: "current=http://169.254.169.254/latest/meta-data"}.atom(t), "is not the feed itself, but an archive\n"},
		"metadata":     {doc{links: "previous=p1.atom first=http://metadata.google.internal/x next=p3.atom", posts: "a@1"}.atom(t), "is not the feed itself, but one of its pages\n"},
		"page.html":    {"<!DOCTYPE html><html><p>Log in", "is an HTML page"},
		"other.atom":   {"<opml/>", "its root element is opml"},
		"deep.atom":    {"<feed>" + strings.Repeat("<a>", 1000), "inside one another"},
		"text.atom":    {"no feed", "not well-formed"},
		"ours.atom":    {`<feed xmlns="http://www.w3.org/2005/Atom"><x:feed xmlns:x="urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243"/></feed>`, "damaged eventfeed document"},
	} {
		feed.write(t, name, test.text)
		s := &seeder{target: target, url: feed.url + "/" + name}
		err := s.run(t)
		if !errors.Is(err, walk.ErrNotFeed) || !strings.Contains(err.Error()+"\n", test.says) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
	s := &seeder{target: target, url: feed.url + "/nowhere.atom"}
	if err := s.run(t); !errors.Is(err, walk.ErrNotFeed) {
		t.Errorf("ended with %v", err)
	}
}

func TestAFeedThatTurnsIntoAnotherOneStopsTheReader(t *testing.T) {
	t.Parallel()
	feed := newSite(t)
	s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
	writeArchived(t, feed)
	reader, c, err := s.open(t)
	must.OK(t, err)
	feed.write(t, "feed.atom", doc{id: "tag:example.org,2026:comments"}.atom(t))
	must.OK(t, reader.Next(t.Context()))
	if err := reader.Look(t.Context(), placeOf(c)); !errors.Is(err, walk.ErrMismatch) || !strings.Contains(err.Error(), "feed.atom: ") {
		t.Errorf("ended with %v", err)
	}
}
