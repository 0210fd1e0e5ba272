//go:build unix

package foreign_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// wantEvents holds what was applied to the events 1 to count, in order.
func (s *seeder) wantEvents(t *testing.T, prefix string, count int) {
	t.Helper()
	var want, got []string
	for n := range count {
		want = append(want, fmt.Sprintf("%s%02d", prefix, n+1))
	}
	for _, e := range s.applied {
		got = append(got, e.ID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("applied  %s\nexpected %s", got, want)
	}
}

func TestAFeedWithAnIDForEachDocumentIsReadWhole(t *testing.T) {
	t.Parallel()
	for name, style := range styles {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for _, counts := range [][]int64{{12, 17, 17, 31}, {3, 4, 16}, {0, 5, 6}, {5, 10, 11}} {
				p, s := newPublisher(t, style), &seeder{target: newSQLite(t)}
				s.url = p.url()
				for _, count := range counts {
					p.count.Store(count)
					if err := s.run(t); err != nil {
						t.Fatalf("%d of %d events: %v", count, counts, err)
					}
					s.wantEvents(t, "tag:records.example,2024:", int(count))
				}
				for _, e := range s.applied {
					if u, err := url.Parse(e.Source); err != nil || e.Source != p.url() && u.Scheme == "" {
						t.Fatalf("source %q", e.Source)
					}
				}
			}
		})
	}
}

func TestAFeedWithAnIDForEachDocumentIsFollowed(t *testing.T) {
	t.Parallel()
	for name, style := range styles {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p, s := newPublisher(t, style), &seeder{target: newSQLite(t)}
			s.url = p.url()
			p.count.Store(7)
			reader, c, err := s.open(t)
			must.OK(t, err)
			c, err = s.catchUp(t, reader, c, -1)
			must.OK(t, err)
			for _, count := range []int64{8, 11, 23} {
				p.count.Store(count)
				for c.Position < count { // a document with a new id may have nothing else that is new
					must.OK(t, reader.Next(t.Context()))
					c, err = s.catchUp(t, reader, c, -1)
					must.OK(t, err)
				}
			}
			s.wantEvents(t, "tag:records.example,2024:", 23)
			unread, err := reader.Unread(t.Context())
			if err != nil || unread.Events != 0 {
				t.Errorf("%d are not applied, %v", unread.Events, err)
			}
		})
	}
}

// Whatever the ids, another history at the same URL is not taken for the one that was
// read.
func TestAnotherHistoryUnderOtherIDsIsNoticed(t *testing.T) {
	t.Parallel()
	for name, style := range styles {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for _, count := range []int64{3, 12} {
				p, s := newPublisher(t, style), &seeder{target: newSQLite(t)}
				s.url = p.url()
				p.count.Store(count)
				must.OK(t, s.run(t))
				p.prefix.Store("tag:records.example,2024:others-")
				if err := s.run(t); !errors.Is(err, walk.ErrMismatch) {
					t.Errorf("ended with %v", err)
				}
				s.wantEvents(t, "tag:records.example,2024:", int(count))
			}
		})
	}
}

// An archive with another atom:id is of the feed only if its links lead back.
func TestALinkThatLeadsToAnotherFeedIsNoticed(t *testing.T) {
	t.Parallel()
	const other = "tag:example.org,2026:comments"
	for name, test := range map[string]struct {
		id    string // of the feed
		links string // of the other feed's archive
		more  string
		good  bool
	}{
		"no links":                          {feedID, "", archiveMark, false},
		"links to its own feed":             {feedID, "self=1.atom current=comments.atom next-archive=2c.atom", archiveMark, false},
		"links to its own page":             {feedID, "self=1.atom first=comments.atom previous=2c.atom", "", false},
		"links to its own, and a poor id":   {"recent", "self=1.atom current=comments.atom next-archive=2c.atom", archiveMark, false},
		"a link back":                       {feedID, "self=1.atom next-archive=2.atom", archiveMark, true},
		"a link to the feed's document":     {feedID, "self=1.atom current=feed.atom", archiveMark, true},
		"a link back of when it was newest": {feedID, "next-archive=feed.atom", archiveMark, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			feed := newSite(t)
			feed.write(t, "1.atom", doc{id: other, more: test.more, links: test.links, posts: "a@1 b@2"}.atom(t))
			feed.write(t, "2.atom", doc{id: test.id, more: archiveMark, links: "current=feed.atom prev-archive=1.atom", posts: "c@3"}.atom(t))
			feed.write(t, "feed.atom", doc{id: test.id, links: "self=feed.atom prev-archive=2.atom", posts: "d@4"}.atom(t))
			s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
			err := s.run(t)
			if test.good {
				must.OK(t, err)
				s.want(t, "a@1 b@2 c@3 d@4")
				return
			}
			if !errors.Is(err, walk.ErrMismatch) || !errors.Is(err, foreign.ErrOtherID) || !strings.Contains(err.Error(), `/1.atom: is an archive of another feed, "tag:example.org,2026:comments"`) {
				t.Errorf("ended with %v", err)
			}
			s.want(t, "")
			s.ignoreID = true
			must.OK(t, s.run(t))
			s.want(t, "a@1 b@2 c@3 d@4")
		})
	}
}

// A feed whose atom:id changes is the same one if its entries or archives are; a
// consumer goes on under the id that it knows.
func TestAFeedThatChangesItsIDGoesOnWithWhatWasRead(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "feed.atom", doc{posts: "b@2 a@1"}.atom(t))
		must.OK(t, s.run(t))
		feed.write(t, "feed.atom", doc{id: "urn:x:moved", posts: "c@3 b@2"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3")
		if !strings.Contains(s.log.String(), "not all documents of this feed have the same atom:id") {
			t.Errorf("logged %s", s.log.String())
		}
		for _, e := range s.applied {
			if e.Source != feedID {
				t.Errorf("source %s", e.Source)
			}
		}
		feed.write(t, "feed.atom", doc{id: "urn:x:other", posts: "e@5 d@4"}.atom(t))
		if err := s.run(t); !errors.Is(err, foreign.ErrOtherID) || !strings.Contains(err.Error(), `is the feed "urn:x:other" now, was "`+feedID) {
			t.Errorf("ended with %v", err)
		}
		s.ignoreID = true
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5")
	})
}
