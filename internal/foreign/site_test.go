//go:build unix

package foreign_test

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// site is a feed of somebody's: files that nginx serves.
type site struct {
	folder, url string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{folder: t.TempDir()}
	s.url = testproxy.Static(t, s.folder)
	return s
}

// write puts a file there as a publisher does: whole, or not at all.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.folder, name)
	must.OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must.OK(t, os.WriteFile(path+".new", []byte(text), 0o644))
	must.OK(t, os.Rename(path+".new", path))
}

func (s *site) remove(t *testing.T, name string) {
	t.Helper()
	must.OK(t, os.Remove(filepath.Join(s.folder, name)))
}

// post is an entry: its id, and when it was changed, in minutes.
type post struct {
	id     string
	minute int
}

func (p post) String() string { return fmt.Sprintf("%s@%d", p.id, p.minute) }

// posts reads "a@1 b@2".
func posts(t *testing.T, list string) (all []post) {
	t.Helper()
	for one := range strings.FieldsSeq(list) {
		var p post
		id, minute, _ := strings.Cut(one, "@")
		_, err := fmt.Sscan(minute, &p.minute)
		must.OK(t, err)
		p.id = id
		all = append(all, p)
	}
	return all
}

func at(minute int) time.Time {
	return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(time.Duration(minute) * time.Minute)
}

const feedID = "tag:example.org,2026:posts"

// doc is a document of the feed.
type doc struct {
	id    string // empty means feedID
	links string // "rel=href rel=href"
	more  string // XML in the feed
	posts string // see posts, in the order of the document
}

func (d doc) atom(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	id := feedID
	if d.id != "" {
		id = d.id
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0">
<id>%s</id><title>Posts</title><updated>%s</updated><author><name>A</name></author>
%s%s`, id, at(0).Format(time.RFC3339), d.linkElements("link"), d.more)
	for _, p := range posts(t, d.posts) {
		fmt.Fprintf(&b, `<entry><id>%s</id><title>%s</title><updated>%s</updated><content>text of %s</content></entry>`+"\n",
			html.EscapeString(p.id), html.EscapeString(p.String()), at(p.minute).Format(time.RFC3339), html.EscapeString(p.String()))
	}
	return b.String() + "</feed>\n"
}

func (d doc) rss(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0"?>
<rss version="2.0" xmlns:a="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0"><channel>
<title>Posts</title><link>/</link><description>All</description>%s%s`, d.linkElements("a:link"), d.more)
	for _, p := range posts(t, d.posts) {
		fmt.Fprintf(&b, `<item><guid isPermaLink="false">%s</guid><title>%s</title><pubDate>%s</pubDate></item>`+"\n",
			p.id, p, at(p.minute).Format(time.RFC1123Z))
	}
	return b.String() + "</channel></rss>\n"
}

func (d doc) linkElements(name string) string {
	var b strings.Builder
	for one := range strings.FieldsSeq(d.links) {
		rel, href, _ := strings.Cut(one, "=")
		fmt.Fprintf(&b, `<%s rel="%s" href="%s"/>`, name, rel, href)
	}
	return b.String()
}

const archiveMark = "<fh:archive/>"

// archive is an archive with the one before it, if there is one.
func archive(prev, list string) doc {
	d := doc{more: archiveMark, posts: list, links: "current=feed.atom"}
	if prev != "" {
		d.links += " prev-archive=" + prev
	}
	return d
}
