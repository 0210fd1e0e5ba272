package html

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/readers"
)

type operationsContent struct {
	*overview.View
	One          *overview.Feed // the only feed that the page shows; nil if it shows a list
	Of           string         // the only reader that it shows; empty if it shows all
	Self         string
	All          string
	FeedsPager   *pager
	ReadersPager *pager
}

// pager links to the pages before and after a page of a list.
type pager struct {
	Label        string // of the list
	Of           overview.Pages
	Newer, Older string // references; empty if there is no such page
}

var operationsTemplate = parse("operations.html")

// Operations renders the page of the private listener, at its root.
func Operations(v *overview.View) ([]byte, error) {
	const root = "./"
	q := v.Query
	c := operationsContent{View: v, Self: operationsReference(q), All: root}
	c.FeedsPager = pagerOf("Pages of feeds", v.FeedsPages, func(page int) string { q := q; q.Feeds = page; return operationsReference(q) })
	c.ReadersPager = pagerOf("Pages of readers", v.ReadersPages, func(page int) string { q := q; q.Readers = page; return operationsReference(q) })
	p := page{Title: "Operations", Root: root, Alternates: []link{
		{operationsReference(q, "format", "json"), "JSON", "application/json"},
		{operationsReference(q, "format", "text"), "text", "text/plain"},
	}}
	if q.Reader != "" {
		c.Of = q.Reader
		p.Title = "Operations of reader " + q.Reader
		p.Crumbs = []link{{Href: root, Text: "Operations"}}
	} else if q.Feed != "" {
		c.One = &v.Feeds[0]
		p.Title = "Operations of feed " + q.Feed
		p.Crumbs = []link{{Href: root, Text: "Operations"}}
	}
	p.Content = c
	return render(operationsTemplate, p)
}

// Limit returns the maximum number of readers that the server keeps.
func (operationsContent) Limit() int64 { return readers.NamedLimit + readers.Limit }

func pagerOf(label string, of overview.Pages, reference func(page int) string) *pager {
	if of.Pages == 1 {
		return nil
	}
	p := &pager{Label: label, Of: of}
	if of.Page > 1 {
		p.Newer = reference(of.Page - 1)
	}
	if of.Page < of.Pages {
		p.Older = reference(of.Page + 1)
	}
	return p
}

// operationsReference returns the reference to what a query selects, with further parameters in pairs.
func operationsReference(q overview.Query, more ...string) string {
	values := url.Values{}
	set := func(name, value, without string) {
		if value != without {
			values.Set(name, value)
		}
	}
	set("feed", q.Feed, "")
	set("reader", q.Reader, "")
	set("q", q.Search, "")
	set("feeds", strconv.Itoa(q.Feeds), "1")
	set("readers", strconv.Itoa(q.Readers), "1")
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	if len(values) == 0 {
		return "./"
	}
	return "./?" + values.Encode()
}

// Reader returns the reference to the page of a reader.
func (operationsContent) Reader(name string) string {
	return operationsReference(overview.Query{Reader: name, Feeds: 1, Readers: 1})
}

// Nothing returns the heading of a page without problems.
func (c operationsContent) Nothing() string {
	text := c.NothingText()
	return strings.ToUpper(text[:1]) + text[1:]
}

// ProblemsCount returns the number of problems, also of those that are not shown.
func (c operationsContent) ProblemsCount() int64 { return int64(c.ProblemsTotal) }

// ProblemsHidden returns the number of problems that are not shown.
func (c operationsContent) ProblemsHidden() int64 { return int64(c.ProblemsTotal - len(c.Problems)) }
