//go:build unix

package foreign_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// write puts a small archived feed there: two archives, and the document.
func writeArchived(t *testing.T, feed *site) {
	t.Helper()
	feed.write(t, "1.atom", archive("", "a@1 b@2").atom(t))
	feed.write(t, "2.atom", archive("1.atom", "d@4 c@3").atom(t))
	feed.write(t, "feed.atom", doc{links: "self=feed.atom prev-archive=2.atom", posts: "f@6 e@5 d@4"}.atom(t))
}

func TestAnArchivedFeedIsReadFromItsOldestEntryOn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6")
		must.OK(t, s.run(t)) // nothing is new
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6")
		if s.log.String() != "" {
			t.Errorf("logged %s", s.log.String())
		}
	})
}

// A feed's own document lets go of entries only into archives.
func TestARolloverBetweenTwoRunsLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		must.OK(t, s.run(t))
		feed.write(t, "2.atom", doc{more: archiveMark, links: "prev-archive=1.atom next-archive=3.atom", posts: "d@4 c@3"}.atom(t))
		feed.write(t, "3.atom", archive("2.atom", "e@5 f@6 g@7").atom(t)) // e and f are applied, g is not
		feed.write(t, "4.atom", archive("3.atom", "h@8 i@9").atom(t))
		feed.write(t, "5.atom", archive("4.atom", "f@6 e@5").atom(t)) // nothing new in it
		feed.write(t, "feed.atom", doc{links: "prev-archive=5.atom", posts: "k@11 j@10 i@9"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6 g@7 h@8 i@9 j@10 k@11")

		// What is in a new archive may all be applied; then its marks come without events.
		feed.write(t, "6.atom", archive("5.atom", "j@10 k@11").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=6.atom"}.atom(t))
		must.OK(t, s.run(t))
		s.fetched = nil
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6 g@7 h@8 i@9 j@10 k@11")
		if got := strings.Join(s.fetched, " "); got != "feed.atom 6.atom" {
			t.Errorf("a run that finds nothing new has fetched %s", got)
		}
	})
}

func TestAFeedThatGetsItsFirstArchiveGoesOn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "feed.atom", doc{posts: "b@2 a@1"}.atom(t))
		must.OK(t, s.run(t))
		feed.write(t, "1.atom", archive("", "a@1 b@2 c@3").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=1.atom", posts: "d@4"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 b@2 c@3 d@4")
	})
}

// RFC 5005 section 4.1: of an entry in several documents the latest counts.
func TestTheLatestVersionOfAnEntryWins(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		feed.write(t, "1.atom", archive("", "a@1 b@2 c@3 x@1 x@2").atom(t))
		feed.write(t, "2.atom", archive("1.atom", "b@5 d@4 a@1").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=2.atom", posts: "e@7 c@6 b@2 d@4"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 x@2 d@4 b@5 c@6 e@7")

		// An update is a further event, in the feed's document as in an archive.
		feed.write(t, "3.atom", archive("2.atom", "a@8 c@6 b@3").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "e@9 a@8"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@1 x@2 d@4 b@5 c@6 e@7 a@8 e@9")
		must.OK(t, s.run(t)) // and once
		s.want(t, "a@1 x@2 d@4 b@5 c@6 e@7 a@8 e@9")
	})
}

func TestTheOrderWithinADocumentIsThatOfChange(t *testing.T) {
	t.Parallel()
	feed, target := newSite(t), newSQLite(t)
	for i, test := range []struct{ listed, want string }{
		{"a@1 b@2 c@2 d@3", "a@1 b@2 c@2 d@3"}, // oldest first
		{"d@3 c@2 b@2 a@1", "a@1 b@2 c@2 d@3"}, // newest first
		{"c@1 b@1 a@1", "a@1 b@1 c@1"},         // nobody knows: newest first, as most do
		{"b@2 d@3 a@1 c@2", "a@1 c@2 b@2 d@3"}, // in no order
	} {
		id := fmt.Sprintf("tag:example.org,2026:%d", i)
		feed.write(t, "feed.atom", doc{id: id, posts: test.listed}.atom(t))
		s := &seeder{target: ofFeed{target, id}, url: feed.url + "/feed.atom"}
		must.OK(t, s.run(t))
		s.want(t, test.want)
	}
}

// A crash loses what was read, not what was written; whatever was applied is
// applied once.
func TestAReaderThatEndsAnywhereGoesOnFromThere(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		want := ""
		for i := range 6 {
			prev := ""
			if i > 0 {
				prev = fmt.Sprintf("%d.atom", i-1)
			}
			list := fmt.Sprintf("a%d@%d b%d@%d c%d@%d", i, 3*i, i, 3*i+1, i, 3*i+2)
			want += list + " "
			feed.write(t, fmt.Sprintf("%d.atom", i), archive(prev, list+" a0@0").atom(t))
		}
		feed.write(t, "feed.atom", doc{links: "prev-archive=5.atom", posts: "y@31 x@30 c5@17"}.atom(t))
		want += "x@30 y@31"
		for range 30 {
			reader, c, err := s.open(t)
			must.OK(t, err)
			before := len(s.applied)
			_, err = s.catchUp(t, reader, c, 1)
			must.OK(t, err)
			if len(s.applied) == before {
				break
			}
		}
		s.want(t, want)
	})
}

// One reader may be cut short too, and asked to go on from where it was cut.
func TestAReaderGoesOnFromAnyPlace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		reader, c, err := s.open(t)
		must.OK(t, err)
		for range 8 {
			c, err = s.catchUp(t, reader, c, 1)
			must.OK(t, err)
		}
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6")
	})
}

// RFC 5005 section 4: an archive may get a link to the next one, and what was made anew from
// the same entries is the same archive, whatever the feed's own time.
func TestAnArchiveIsItsEntries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		undated := func(d doc) string {
			return strings.Replace(d.atom(t), "<updated>2026-01-02T03:01:00Z</updated>", "", 1)
		}
		first := archive("", "a@1 b@2")
		feed.write(t, "1.atom", undated(first))
		feed.write(t, "feed.atom", doc{links: "prev-archive=1.atom", posts: "c@3"}.atom(t))
		must.OK(t, s.run(t))
		first.links += " next-archive=2.atom"
		feed.write(t, "1.atom", strings.Replace(undated(first), "<updated>2026-01-02T03:00:00Z</updated>", "<updated>2026-07-07T07:07:07Z</updated><subtitle>new</subtitle>", 1))
		feed.write(t, "feed.atom", doc{links: "prev-archive=1.atom", posts: "d@4"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "a@0 b@2 c@3 d@4")
	})
}

func TestACrashOnTheWayBackReadsNothingTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		for i := range 6 {
			prev := ""
			if i > 0 {
				prev = fmt.Sprintf("%d.atom", i-1)
			}
			feed.write(t, fmt.Sprintf("%d.atom", i), archive(prev, fmt.Sprintf("e%d@%d", i, i)).atom(t))
		}
		feed.write(t, "feed.atom", doc{links: "prev-archive=5.atom"}.atom(t))
		s.stopAt = "2.atom"
		if err := s.run(t); err == nil {
			t.Fatal("nothing has stopped it")
		}
		s.stopAt, s.fetched = "", nil
		reader, c, err := s.open(t)
		must.OK(t, err)
		must.OK(t, reader.Look(t.Context(), placeOf(c)))
		if got := strings.Join(s.fetched, " "); got != "feed.atom 2.atom 1.atom 0.atom" {
			t.Errorf("fetched %s", got)
		}
		// Meanwhile there is a new archive, and one of those remembered is not in the chain any more.
		feed.write(t, "x.atom", archive("3.atom", "x@7").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=x.atom"}.atom(t))
		must.OK(t, s.run(t))
		s.want(t, "e0@0 e1@1 e2@2 e3@3 x@7")
	})
}

func TestAFollowerAppliesWhatIsNew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		writeArchived(t, feed)
		reader, c, err := s.open(t)
		must.OK(t, err)
		c, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		feed.write(t, "3.atom", archive("2.atom", "e@5 f@6 g@7").atom(t))
		feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "h@8 a@9"}.atom(t))
		must.OK(t, reader.Next(t.Context()))
		c, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		s.want(t, "a@1 b@2 c@3 d@4 e@5 f@6 g@7 h@8 a@9")

		// The same bytes again are nothing new.
		s.fetched = nil
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- reader.Next(ctx)
			close(done)
		}()
		feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "h@8 a@9"}.atom(t))
		later := time.Now().Add(time.Minute) // for another ETag
		must.OK(t, os.Chtimes(filepath.Join(feed.folder, "feed.atom"), later, later))
		select {
		case err := <-done:
			t.Errorf("something new: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if slices.Contains(s.fetched, "3.atom") || len(s.fetched) == 0 {
			t.Errorf("fetched %s", s.fetched)
		}
		_ = c
	})
}

// On the way forward: the way back leads from one to the next.
func TestArchivesAreFetchedAhead(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, feed *site, s *seeder) {
		want := ""
		for i := range 9 {
			prev := ""
			if i > 0 {
				prev = fmt.Sprintf("%d.atom", i-1)
			}
			list := fmt.Sprintf("e%d@%d", i, i)
			if i != 5 { // which has nothing of its own
				want += list + " "
			} else {
				list = "e4@4"
			}
			feed.write(t, fmt.Sprintf("%d.atom", i), archive(prev, list).atom(t))
		}
		feed.write(t, "feed.atom", doc{links: "prev-archive=8.atom", posts: "y@31"}.atom(t))
		s.prefetch = 4
		reader, c, err := s.open(t)
		must.OK(t, err)
		must.OK(t, reader.Look(t.Context(), placeOf(c)))
		three := make(chan struct{}, 3)
		together := make(chan struct{})
		s.meet = func(name string) {
			if name != "1.atom" && name != "2.atom" && name != "3.atom" {
				return
			}
			if three <- struct{}{}; len(three) == cap(three) {
				close(together)
			}
			select {
			case <-together:
			case <-time.After(10 * time.Second):
				t.Errorf("%s is fetched alone", name)
			}
		}
		_, err = s.catchUp(t, reader, c, -1)
		must.OK(t, err)
		s.want(t, want+"y@31")
		s.meet = nil
		must.OK(t, s.run(t)) // all archives are marked
		if got := strings.Join(s.fetched[len(s.fetched)-2:], " "); got != "feed.atom 8.atom" {
			t.Errorf("fetched %s", got)
		}
	})
}
