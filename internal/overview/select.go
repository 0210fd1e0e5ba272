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

// Parameters are the parameters of the page's URL: the name of the only feed to show; a part of the
// names of feeds or readers to show; and which page of the two lists.
var Parameters = []string{"feed", "q", "feeds", "readers"}

// Query says which feeds and readers to show.
type Query struct {
	Feed    string // only this one; empty means all
	Search  string // a part of the names of feeds or readers; empty means all
	Feeds   int    // page of the list of feeds, from 1
	Readers int    // page of the list of readers, from 1
}

// maxSearch is the maximum length of a search text, in bytes.
const maxSearch = 200

// ParseQuery returns the query of a URL, or an error that names the parameter.
func ParseQuery(values url.Values) (q Query, err error) {
	q = Query{Feed: values.Get("feed"), Search: strings.TrimSpace(values.Get("q"))}
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

// View is the part of a report that a query selects.
type View struct {
	Report
	Query         Query `json:"-"`
	FeedsPages    Pages `json:"feeds_page"`
	ReadersPages  Pages `json:"readers_page"`
	ProblemsTotal int   `json:"problems_total"`
}

// Pages says which part of a list is shown.
type Pages struct {
	Page  int `json:"page"`
	Pages int `json:"pages"`
	Total int `json:"total"` // entries of all pages
}

// Select returns what a query selects of a report, with at most a number of rows of each list. It
// returns ErrNoFeed, wrapped, with the name that may have been meant.
func Select(r *Report, q Query, rows int) (*View, error) {
	v := &View{Report: *r, Query: q}
	if q.Feed != "" {
		v.Feeds = matching(r.Feeds, func(f *Feed) bool { return f.Name == q.Feed })
		if len(v.Feeds) == 0 {
			return nil, fmt.Errorf("feed %.80q: %w%s", q.Feed, ErrNoFeed, nearest.Question(q.Feed, names(r.Feeds)))
		}
		v.Readers = matching(r.Readers, func(r *Reader) bool { return r.Feed == q.Feed })
		v.Problems = matching(r.Problems, func(p *Problem) bool { return p.Feed == q.Feed || p.Feed == "" })
	}
	if search := strings.ToLower(q.Search); search != "" {
		has := func(name string) bool { return strings.Contains(strings.ToLower(name), search) }
		v.Readers = matching(v.Readers, func(r *Reader) bool { return has(r.Feed) || has(r.Name) || has(r.Agent) })
		read := make(map[string]bool, len(v.Readers))
		for i := range v.Readers {
			read[v.Readers[i].Feed] = true
		}
		v.Feeds = matching(v.Feeds, func(f *Feed) bool { return has(f.Name) || read[f.Name] })
		v.Problems = matching(v.Problems, func(p *Problem) bool { return p.Feed == "" || has(p.Feed) || has(p.Reader) })
	}
	v.ProblemsTotal = len(v.Problems)
	v.Problems, _ = part(v.Problems, 1, rows)
	v.Feeds, v.FeedsPages = part(v.Feeds, q.Feeds, rows)
	v.Readers, v.ReadersPages = part(v.Readers, q.Readers, rows)
	return v, nil
}

// maxCompared is the maximum number of feeds whose names are compared with an unknown name.
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
