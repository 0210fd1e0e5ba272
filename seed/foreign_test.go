//go:build unix

package seed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// blog is an archived feed that is not eventfeed's own: files behind nginx. It
// has 3 entries in an archive, and all that are in none in its document, and the
// newest archive's, too.
type blog struct {
	folder, url string
	posts       int
}

func newBlog(t *testing.T, posts int) *blog {
	t.Helper()
	b := &blog{folder: t.TempDir()}
	b.url = testproxy.Static(t, b.folder)
	b.publish(t, posts)
	return b
}

func (b *blog) feed() string { return b.url + "/blog.atom" }

// publish brings the blog to a number of posts.
func (b *blog) publish(t *testing.T, posts int) {
	t.Helper()
	archives := max(0, (posts-1)/3)
	for n := max(0, (b.posts-1)/3); n < archives; n++ {
		links := `<fh:archive/>`
		if n > 0 {
			links += fmt.Sprintf(`<link rel="prev-archive" href="%d.atom"/>`, n-1)
		}
		b.write(t, fmt.Sprintf("%d.atom", n), links, 3*n, 3*n+3)
	}
	links := ""
	if archives > 0 {
		links = fmt.Sprintf(`<link rel="prev-archive" href="%d.atom"/>`, archives-1)
	}
	b.write(t, "blog.atom", links, 3*max(0, archives-1), posts)
	b.posts = posts
}

func (b *blog) write(t *testing.T, name, links string, from, to int) {
	t.Helper()
	var text strings.Builder
	text.WriteString(`<feed xmlns="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0"><id>urn:x:blog</id><title>Blog</title>` + links)
	for i := to; i > from; i-- {
		fmt.Fprintf(&text, `<entry><id>urn:x:%d</id><title>%d</title><updated>%s</updated></entry>`, i, i, blogTime(i).Format(time.RFC3339))
	}
	path := filepath.Join(b.folder, name)
	must.OK(t, os.WriteFile(path+".new", []byte(text.String()+"</feed>"), 0o644))
	must.OK(t, os.Rename(path+".new", path))
}

func blogTime(post int) time.Time {
	return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(post) * time.Hour)
}

// wantBlog compares the inbox with the posts up to the last one, each once.
func wantBlog(t *testing.T, to target, last int) {
	t.Helper()
	got := to.inbox(t)
	if len(got) != last {
		t.Errorf("inbox has %d events, want %d", len(got), last)
	}
	for i, line := range got {
		if want := fmt.Sprintf("%d urn:x:%d urn:x:blog entry urn:x:%d application/json {", i+1, i+1, i+1); !strings.HasPrefix(line, want) {
			t.Errorf("event %d is %.100s", i+1, line)
		}
	}
}

func TestAForeignFeedIsSeededAcrossRollovers(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 0)
		for _, posts := range []int{0, 2, 4, 5, 17, 17, 18, 19, 40} {
			b.publish(t, posts)
			end, err := run(t, seed.Config{From: []string{b.feed()}, Into: again().Target})
			must.OK(t, err)
			if end.Position != int64(posts) || end.Head != int64(posts) || end.Feed != "blog" || end.FeedID != "urn:x:blog" {
				t.Errorf("ended with %+v, want position %d", end, posts)
			}
			wantBlog(t, again(), posts)
		}
		if err := os.Remove(filepath.Join(b.folder, "12.atom")); err != nil {
			t.Fatal(err)
		}
		_, err := run(t, seed.Config{From: []string{b.feed()}, Into: again().Target})
		if !errors.Is(err, seed.ErrMismatch) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestAForeignFeedIsFollowed(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 5)
		f := follow(t, seed.Config{From: []string{b.feed()}, Into: again().Target, PollInterval: 10 * time.Millisecond})
		f.wait(t, 5)
		for _, posts := range []int{6, 7, 30} {
			b.publish(t, posts)
			f.wait(t, int64(posts))
		}
		must.OK(t, f.stop())
		wantBlog(t, again(), 30)
	})
}

// A run that ends anywhere, killed or stopped, leaves events, checkpoint and
// what is known of the feed as of one moment.
func TestASeedOfAForeignFeedCanBeBrokenOffAnywhere(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 200)
		for i := range 25 {
			ctx, stop := context.WithTimeout(t.Context(), time.Duration(rand.IntN(40))*time.Millisecond)
			_ = seed.Run(ctx, seed.Config{From: []string{b.feed()}, Into: again().Target})
			stop()
			if i%5 == 0 {
				b.publish(t, 201+i)
			}
		}
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}))
		wantBlog(t, again(), b.posts)
	})
}

func TestAForeignFeedIsReadUpToAPosition(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 20)
		for _, until := range []int64{1, 2, 3, 5, 18, 20} { // within an archive, at its end, over several
			_, err := run(t, seed.Config{From: []string{b.feed()}, Into: again().Target, Until: until})
			must.OK(t, err)
			wantBlog(t, again(), int(until))
		}
	})
}

func TestADryRunOfAForeignFeedWritesNothing(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 5)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}))
		b.publish(t, 20)
		end, err := run(t, seed.Config{From: []string{b.feed()}, Into: again().Target, DryRun: true})
		must.OK(t, err)
		if end.Applied != 15 {
			t.Errorf("%d events applied", end.Applied)
		}
		wantBlog(t, again(), 5)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}))
		wantBlog(t, again(), 20)
	})
}

func TestAForeignFeedIsMergedWithOneOfOurs(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b, s := newBlog(t, 40), newSource(t, 30)
		config := seed.Config{From: []string{b.feed(), s.feed()}, Into: again().Target}
		must.OK(t, seed.Run(t.Context(), config))
		if got := again().inbox(t); len(got) != 70 {
			t.Errorf("inbox has %d events", len(got))
		}
		b.publish(t, 50)
		config.Into = again().Target
		must.OK(t, seed.Run(t.Context(), config))
		if got := again().inbox(t); len(got) != 80 {
			t.Errorf("inbox has %d events", len(got))
		}
	})
}

func TestAResetForgetsAForeignFeed(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		b := newBlog(t, 20)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}))
		err := seed.Rewind(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}, 5, nil)
		if !errors.Is(err, refused.ErrNoWayBack) {
			t.Errorf("going back ended with %v", err)
		}
		wantBlog(t, again(), 20)
		must.OK(t, reset(t.Context(), seed.Config{Into: again().Target}, nil))
		wantBlog(t, again(), 0)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{b.feed()}, Into: again().Target}))
		wantBlog(t, again(), 20)
	})
}

func TestWhatIsNoFeedIsNotTakenForAForeignOne(t *testing.T) {
	t.Parallel()
	s, b := newSource(t, 3), newBlog(t, 20)
	for name, test := range map[string]struct{ url, says string }{
		"a page of the server's": {s.URL, "no feed at this URL"},
		"an archive":             {b.url + "/2.atom", "is not the feed itself, but an archive"},
		"nothing":                {b.url + "/3.xml", "no feed at this URL"},
	} {
		_, err := run(t, seed.Config{From: []string{test.url}, Into: seedsqlite.Open(filepath.Join(t.TempDir(), "t.db")).Inbox()})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}

// What a document is refused for is what is wrong with it.
func TestADocumentThatIsNoFeedIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	const rss, item = "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>t</title>\n", "<item><guid>1</guid><title>%s</title></item></channel></rss>"
	for name, test := range map[string]struct{ text, says string }{
		"a bare ampersand":     {rss + fmt.Sprintf(item, "Fish & Chips"), "is not well-formed XML, line 3: invalid character entity &"},
		"a control character":  {rss + fmt.Sprintf(item, "a\x08b"), "is not well-formed XML, line 3: illegal character code U+0008"},
		"a wrong end tag":      {rss + "<item><title>x</titel></item></channel></rss>", "is not well-formed XML, line 3: "},
		"cut off":              {rss + "<item><title>Fis", "is not well-formed XML, line 3: unexpected EOF"},
		"cut off, Atom":        {"<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<id>urn:x</id><entry><title>Fis", "line 2"},
		"a wrong end tag, RDF": {"<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n<item></itme></rdf:RDF>", "is not well-formed XML, line 2: "},
		"a DOCTYPE and more":   {"<?xml version=\"1.0\"?>\n<!DOCTYPE rss SYSTEM \"x.dtd\">\n<rss version=\"2.0\"><channel><item><title>a & b</title></item></channel></rss>", "is not well-formed XML, line 3: "},
		"entities of its own":  {"<!DOCTYPE rss [<!ENTITY a \"b\">]><rss><channel/></rss>", "has a DOCTYPE with declarations of its own"},
		"nothing":              {"", "is empty"},
		"white space":          {" \n\t\n", "is empty"},
		"a page for people":    {"<!DOCTYPE html>\n<html><p>Log in", "is an HTML page"},
		"a page without more":  {"<HTML><body>Log in & on", "is an HTML page"},
		"JSON":                 {`{"version":"https://jsonfeed.org/version/1.1","items":[]}`, "is JSON"},
		"text":                 {"not here", `is not well-formed XML: it begins with "not here"`},
		"other XML":            {"<opml><body/></opml>", "is no feed: its root element is opml"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = w.Write([]byte(test.text))
		}))
		t.Cleanup(web.Close)
		_, err := run(t, seed.Config{From: []string{web.URL + "/feed"}, Into: seedsqlite.Open(filepath.Join(t.TempDir(), "t.db")).Inbox(), Patience: time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}

// A feed of ours whose own elements someone on the way takes out is Atom still,
// with the same id.
func TestAFeedOfOursThatBecomesAForeignOneStopsTheSeeder(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 8)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		s.add(t, 9, 9)
		strip := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			r.Header.Del("Accept-Encoding")
			recorder := httptest.NewRecorder()
			real.ServeHTTP(recorder, r)
			_, _ = w.Write(regexp.MustCompile(`<ef:(feed|epoch|page|archives) [^>]*>`).ReplaceAll(recorder.Body.Bytes(), nil))
		}
		s.damage.Store(&strip)
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		if !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), "was served by eventfeed when it was read last") {
			t.Errorf("ended with %v", err)
		}
		wantInbox(t, again(), 8)
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Consumer: "fresh"})
		must.OK(t, err)
	})
}
