package overview

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/nearest"
)

// The maximum number of rows of each list: of a page for people, and of JSON.
const (
	ShownRows = 50
	JSONRows  = 1000
)

// Parameters are the parameters of the page's URL: the name of the only feed, or of the only reader, to
// show; a part of the names of feeds or readers to show; and which page of the two lists.
var Parameters = []string{"feed", "reader", "q", "feeds", "readers"}

// Query says which feeds and readers to show.
type Query struct {
	Feed    string // only this one; empty means all
	Reader  string // only this one, with its feeds; empty means all
	Search  string // a part of the names of feeds or readers; empty means all
	Feeds   int    // page of the list of feeds, from 1
	Readers int    // page of the list of readers, from 1
}

// maxSearch is the maximum length of a search text, in bytes.
const maxSearch = 200

// ParseQuery returns the query of a URL, or an error that names the parameter.
func ParseQuery(values url.Values) (q Query, err error) {
	q = Query{Feed: values.Get("feed"), Reader: values.Get("reader"), Search: strings.TrimSpace(values.Get("q"))}
	if len(q.Search) > maxSearch {
		return q, fmt.Errorf("q: at most %d bytes", maxSearch)
	}
	q.Feeds, err = pageNumber(values, "feeds")
	if err == nil {
		q.Readers, err = pageNumber(values, "readers")
	}
	return q, err
}

func pageNumber(values url.Values, name string) (int, error) {
	if !values.Has(name) {
		return 1, nil
	}
	n, err := strconv.Atoi(values.Get(name))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%.20q: must be the number of a page, which are 1, 2, 3 …", name, values.Get(name))
	}
	return n, nil
}

// ErrNoFeed reports that there is no feed of the name that a query has.
var ErrNoFeed = errors.New("no such feed")

// ErrNoReader reports that no reader has the name that a query has.
var ErrNoReader = errors.New("this server has seen no such reader since it started")

// View is the part of a report that a query selects. Search selects rows of the two tables only: the
// problems are those of all feeds.
type View struct {
	Report
	Query         Query `json:"-"`
	FeedsPages    Pages `json:"feeds_page"`
	ReadersPages  Pages `json:"readers_page"`
	FeedsTotal    int   `json:"feeds_total"`   // of all feeds
	ReadersTotal  int   `json:"readers_total"` // of all feeds
	ProblemsTotal int   `json:"problems_total"`
}

// Pages says which part of a list is shown.
type Pages struct {
	Page  int `json:"page"`
	Pages int `json:"pages"`
	Total int `json:"total"` // entries of all pages
}

// Select returns what a query selects of a report, with at most a number of rows of each list. It
// returns ErrNoFeed or ErrNoReader, wrapped, with the name that may have been meant.
func Select(r *Report, q Query, rows int) (*View, error) {
	v := &View{Report: *r, Query: q, FeedsTotal: len(r.Feeds), ReadersTotal: len(r.Readers)}
	if q.Feed != "" {
		v.Feeds = matching(r.Feeds, func(f *Feed) bool { return f.Name == q.Feed })
		if len(v.Feeds) == 0 {
			return nil, fmt.Errorf("feed %.80q: %w%s", q.Feed, ErrNoFeed, nearest.Question(q.Feed, names(r.Feeds)))
		}
		v.Readers = matching(r.Readers, func(r *Reader) bool { return r.Feed == q.Feed })
		v.Problems = matching(r.Problems, func(p *Problem) bool { return p.Feed == q.Feed || p.Feed == "" })
	}
	if q.Reader != "" {
		v.Readers = matching(v.Readers, func(r *Reader) bool { return r.Name == q.Reader })
		if len(v.Readers) == 0 {
			return nil, fmt.Errorf("reader %.80q: %w%s", q.Reader, ErrNoReader, nearest.Question(q.Reader, readerNames(r.Readers)))
		}
		v.Feeds = matching(v.Feeds, readBy(v.Readers))
		v.Problems = matching(v.Problems, func(p *Problem) bool { return p.Reader == q.Reader || p.Feed == "" })
	}
	if search := strings.ToLower(q.Search); search != "" {
		has := func(name string) bool { return strings.Contains(strings.ToLower(name), search) }
		v.Readers = matching(v.Readers, func(r *Reader) bool { return has(r.Feed) || has(r.Name) || has(r.Agent) })
		read := readBy(v.Readers)
		v.Feeds = matching(v.Feeds, func(f *Feed) bool { return has(f.Name) || read(f) })
	}
	v.ProblemsTotal = len(v.Problems)
	v.Problems, _ = part(v.Problems, 1, rows)
	v.Feeds, v.FeedsPages = part(v.Feeds, q.Feeds, rows)
	v.Readers, v.ReadersPages = part(v.Readers, q.Readers, rows)
	return v, nil
}

// readBy returns whether a feed has one of the readers.
func readBy(list []Reader) func(*Feed) bool {
	read := make(map[string]bool, len(list))
	for i := range list {
		read[list[i].Feed] = true
	}
	return func(f *Feed) bool { return read[f.Name] }
}

func readerNames(list []Reader) (all []string) {
	for i := range list[:min(len(list), maxCompared)] {
		if !slices.Contains(all, list[i].Name) {
			all = append(all, list[i].Name)
		}
	}
	return all
}

// maxCompared is the maximum number of feeds or readers whose names are compared with an unknown name.
const maxCompared = 200

func names(feeds []Feed) (all []string) {
	for i := range feeds[:min(len(feeds), maxCompared)] {
		all = append(all, feeds[i].Name)
	}
	return all
}

func matching[T any](list []T, is func(*T) bool) []T {
	kept := []T{}
	for i := range list {
		if is(&list[i]) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// part returns a page of a list; of those after the last one the last.
func part[T any](list []T, page, rows int) ([]T, Pages) {
	pages := max(1, (len(list)+rows-1)/rows)
	page = min(cmp.Or(page, 1), pages)
	first := min((page-1)*rows, len(list))
	shown := slices.Clone(list[first:min(first+rows, len(list))])
	if shown == nil {
		shown = []T{} // [] in JSON
	}
	return shown, Pages{Page: page, Pages: pages, Total: len(list)}
}
