//go:build unix

package foreign_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// publisher is an event history as Atom, as publishers of such histories make it. It
// has the events 1 to count, five in a document.
type publisher struct {
	*httptest.Server
	count  atomic.Int64
	prefix atomic.Value // of the ids of its entries
	style  style
}

// style is how a publisher tells its documents apart and links them.
type style struct {
	id     func(document string, number int64) string // the atom:id of a document
	links  func(document string, number, last int64) string
	markup string // elements of an entry beside id and title, with TIME in place of its time
	paged  bool   // pages by marker, newest first; else archives with numbers
}

const perDocument = 5

// styles are those of real publishers, and of some that are like them.
var styles = map[string]style{
	// ICT4H atomfeed: the number of the document behind a plus sign.
	"a number behind the id": {
		id: func(_ string, number int64) string {
			return fmt.Sprintf("b1d4c0de-0000-4000-8000-000000000001+%d", number)
		},
		links: func(document string, number, last int64) string {
			return selfLink(document) + viaLink(number) + archiveLinks(number, last, false)
		},
		markup: `<updated>TIME</updated><published>TIME</published><category term="patient"/><content type="application/vnd.atomfeed+xml"><![CDATA[/rest/patient]]></content>`,
	},
	// An earlier version of it: a new id in each answer, and another one in each archive.
	"a number in the id and a new id each time": {
		id: func(document string, number int64) string {
			if document == "recent" {
				return "urn:uuid:" + uuid.NewString()
			}
			return fmt.Sprintf("urn:uuid:00118420-97b0-403c-a5b6-1031a00e12%02d", number)
		},
		links: func(document string, number, last int64) string {
			via := ""
			if document == "recent" {
				via = viaLink(number)
			}
			return selfLink(document) + via + archiveLinks(number, last, false)
		},
		markup: `<updated>TIME</updated>`,
	},
	"a number in an id that is a URI": {
		id: func(_ string, number int64) string { return fmt.Sprintf("tag:records.example,2024:%d", number) },
		links: func(document string, number, last int64) string {
			return selfLink(document) + viaLink(number) + archiveLinks(number, last, false)
		},
		markup: `<updated>TIME</updated>`,
	},
	// es-atom-pub: the archive's name, and "recent"; entries have no updated.
	"the archive's name": {
		id: func(document string, _ int64) string { return document },
		links: func(document string, number, last int64) string {
			related := ""
			if document == "recent" {
				related = `<link rel="related" href="/feed/recent"/>`
			}
			return selfLink(document) + related + archiveLinks(number, last, true)
		},
		markup: `<updated></updated><published>TIME</published><content type="TACRE">aGk=</content>`,
	},
	// Atom Hopper: a new UUID in each answer, pages by marker.
	"pages and a new id each time": {
		id: func(string, int64) string { return "urn:uuid:" + uuid.NewString() },
		links: func(document string, top, _ int64) string {
			links := fmt.Sprintf(`<link rel="current" href="/feed/"/><link rel="self" href="%s"/><link rel="previous" href="/feed?marker=%d&amp;direction=forward"/><link rel="last" href="/feed?marker=last"/>`, document, top)
			if top > perDocument {
				links += fmt.Sprintf(`<link rel="next" href="/feed?marker=%d&amp;limit=5&amp;direction=backward"/>`, top-perDocument)
			}
			return links
		},
		markup: `<updated>TIME</updated>`, paged: true,
	},
}

func selfLink(document string) string {
	return fmt.Sprintf(`<link rel="self" href="/feed/%s"/>`, document)
}
func viaLink(number int64) string { return fmt.Sprintf(`<link rel="via" href="/feed/%d"/>`, number) }

func archiveLinks(number, last int64, toRecent bool) (links string) {
	if number > 1 {
		links = fmt.Sprintf(`<link rel="prev-archive" href="/feed/%d"/>`, number-1)
	}
	switch {
	case number == last-1 && toRecent:
		links += `<link rel="next-archive" href="/feed/recent"/>`
	case number < last:
		links += fmt.Sprintf(`<link rel="next-archive" href="/feed/%d"/>`, number+1)
	}
	return links
}

func newPublisher(t *testing.T, style style) *publisher {
	t.Helper()
	p := &publisher{style: style}
	p.prefix.Store("tag:records.example,2024:")
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) url() string {
	if p.style.paged {
		return p.URL + "/feed"
	}
	return p.URL + "/feed/recent"
}

func (p *publisher) serve(w http.ResponseWriter, r *http.Request) {
	count := p.count.Load()
	last := max(1, (count+perDocument-1)/perDocument)
	number, name := last, strings.TrimPrefix(r.URL.Path, "/feed/")
	if p.style.paged {
		p.page(w, r, count)
		return
	}
	if name != "recent" {
		var err error
		if number, err = strconv.ParseInt(name, 10, 64); err != nil || number < 1 || number > last {
			http.NotFound(w, r)
			return
		}
	}
	p.write(w, p.style.id(name, number), p.style.links(name, number, last), (number-1)*perDocument+1, min(number*perDocument, count), false)
}

// page writes a page of what comes up to a marker.
func (p *publisher) page(w http.ResponseWriter, r *http.Request, count int64) {
	top := count
	if marker := r.URL.Query().Get("marker"); marker != "" {
		top, _ = strconv.ParseInt(marker, 10, 64)
	}
	p.write(w, p.style.id("", top), p.style.links(strings.ReplaceAll(r.URL.RequestURI(), "&", "&amp;"), top, count), max(1, top-perDocument+1), top, true)
}

func (p *publisher) write(w http.ResponseWriter, id, links string, first, last int64, newestFirst bool) {
	var entries []string
	for n := first; n <= last; n++ {
		entries = append(entries, fmt.Sprintf(`<entry><id>%s%02d</id><title>Event</title>%s</entry>`,
			p.prefix.Load(), n, strings.ReplaceAll(p.style.markup, "TIME", at(int(n)).Format(time.RFC3339))))
	}
	if newestFirst {
		slices.Reverse(entries)
	}
	w.Header().Set("Content-Type", "application/atom+xml")
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Records</title>%s<id>%s</id><updated>%s</updated>%s</feed>`,
		links, id, at(int(last)).Format(time.RFC3339), strings.Join(entries, ""))
}
