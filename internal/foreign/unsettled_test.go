//go:build unix

package foreign_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// halves are documents that their publisher is about to replace, of one that is
// written whole.
var halves = map[string]func(t *testing.T, feed *site, name, whole string){
	"half written": func(t *testing.T, feed *site, name, whole string) {
		must.OK(t, os.WriteFile(filepath.Join(feed.folder, name), []byte(whole[:len(whole)-40]), 0o644))
	},
	"empty": func(t *testing.T, feed *site, name, _ string) {
		must.OK(t, os.WriteFile(filepath.Join(feed.folder, name), nil, 0o644))
	},
	"away": func(t *testing.T, feed *site, name, _ string) {
		if err := os.Remove(filepath.Join(feed.folder, name)); !errors.Is(err, os.ErrNotExist) {
			must.OK(t, err)
		}
	},
}

// followed is a feed that is read to its end, and looked at again.
func followed(t *testing.T, feed *site, s *seeder) (next func() error) {
	t.Helper()
	writeArchived(t, feed)
	reader, c, err := s.open(t)
	must.OK(t, err)
	c, err = s.catchUp(t, reader, c, -1)
	must.OK(t, err)
	return func() error {
		err := reader.Next(t.Context())
		if err == nil {
			c, err = s.catchUp(t, reader, c, -1)
		}
		return err
	}
}

func TestAFollowerWaitsForADocumentThatIsBeingReplaced(t *testing.T) {
	t.Parallel()
	for name, halve := range halves {
		for _, document := range []string{"feed.atom", "3.atom"} {
			t.Run(strings.ReplaceAll(name+" "+document, " ", "_"), func(t *testing.T) {
				t.Parallel()
				feed := newSite(t)
				s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", patience: time.Minute}
				next := followed(t, feed, s)
				all := map[string]string{
					"3.atom":    archive("2.atom", "e@5 f@6 g@7").atom(t),
					"feed.atom": doc{links: "prev-archive=3.atom", posts: "h@8"}.atom(t),
				}
				for _, name := range []string{"3.atom", "feed.atom"} {
					if name == document {
						halve(t, feed, name, all[name])
					} else {
						feed.write(t, name, all[name])
					}
				}
				ended := make(chan error, 1)
				go func() { ended <- next() }()
				for !strings.Contains(s.log.String(), "level=WARN") {
					select {
					case err := <-ended:
						t.Fatalf("ended with %v", err)
					case <-time.After(5 * time.Millisecond):
					}
				}
				time.Sleep(200 * time.Millisecond) // for a few looks
				feed.write(t, document, all[document])
				must.OK(t, <-ended)
				s.want(t, whole+" g@7 h@8")
				if log := s.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "/"+document) || !strings.Contains(log, "level=INFO") {
					t.Errorf("logged %s", log)
				}
			})
		}
	}
}

func TestADocumentThatStaysBrokenEndsAFollower(t *testing.T) {
	t.Parallel()
	for name, halve := range halves {
		for document, want := range map[string]error{"feed.atom": walk.ErrNotFeed, "3.atom": walk.ErrMismatch} {
			t.Run(strings.ReplaceAll(name+" "+document, " ", "_"), func(t *testing.T) {
				t.Parallel()
				feed := newSite(t)
				s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", patience: 300 * time.Millisecond}
				next := followed(t, feed, s)
				if document != "feed.atom" {
					feed.write(t, "feed.atom", doc{links: "prev-archive=3.atom", posts: "h@8"}.atom(t))
				}
				halve(t, feed, document, archive("", "g@7").atom(t))
				if err := next(); !errors.Is(err, want) || !strings.Contains(err.Error(), document) {
					t.Errorf("ended with %v", err)
				}
				s.want(t, whole)
			})
		}
	}
}

// What is whole, and wrong, is not waited for.
func TestWhatDoesNotAddUpEndsAFollowerAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ three, feed, says string }{
		"a loop":          {archive("3.atom", "g@7").atom(t), doc{links: "prev-archive=3.atom"}.atom(t), "loops"},
		"another feed":    {archive("2.atom", "g@7").atom(t), doc{id: "urn:x"}.atom(t), `is the feed "urn:x" now`},
		"no ids":          {archive("2.atom", "g@7").atom(t), strings.ReplaceAll(doc{posts: "g@7"}.atom(t), "<id>g</id>", ""), "has no id"},
		"another archive": {archive("1.atom", "g@7").atom(t), doc{links: "prev-archive=3.atom"}.atom(t), "as another one does that was read"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			feed := newSite(t)
			s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", patience: -1}
			next := followed(t, feed, s)
			feed.write(t, "3.atom", test.three)
			feed.write(t, "feed.atom", test.feed)
			if err := next(); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(s.log.String(), "WARN") {
				t.Errorf("ended with %v, logged %s", err, s.log.String())
			}
		})
	}
}

// Somebody who begins is told at once that the feed cannot be read.
func TestWhatIsBrokenAtTheFirstLookIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	for name, halve := range halves {
		for _, document := range []string{"feed.atom", "2.atom"} {
			feed := newSite(t)
			writeArchived(t, feed)
			halve(t, feed, document, archive("", "a@1").atom(t))
			s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom", patience: -1}
			if err := s.run(t); err == nil || strings.Contains(s.log.String(), "WARN") {
				t.Errorf("%s %s: ended with %v, logged %s", document, name, err, s.log.String())
			}
		}
	}
}
