package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"
)

// crawler has the pages that are known. It takes turns between the kinds of pages, so that none has to
// wait for millions of another kind.
type crawler struct {
	from string

	mu      sync.Mutex
	seen    map[string]bool
	waiting map[string][]string // addresses by kind
	turn    int
	visits  map[string][]visit // by kind
}

type visit struct {
	address string
	status  int
	took    time.Duration
}

func newCrawler(from string) *crawler {
	c := &crawler{from: from, seen: map[string]bool{}, waiting: map[string][]string{}, visits: map[string][]visit{}}
	c.add(from)
	return c
}

// mostWaiting is the maximum number of addresses of a kind that wait.
const mostWaiting = 10_000

// add notes an address that was not seen yet, if it is below the feed's.
func (c *crawler) add(address string) {
	address, _, _ = strings.Cut(address, "#")
	rest, below := strings.CutPrefix(address, c.from)
	if !below || rest != "" && !strings.ContainsAny(rest[:1], "/?") || c.seen[address] {
		return
	}
	kind := kindOf(rest)
	if len(c.waiting[kind]) < mostWaiting {
		c.seen[address] = true
		c.waiting[kind] = append(c.waiting[kind], address)
	}
}

var (
	epochAndPage = regexp.MustCompile(`/archive/[^/?]+/[0-9]+`)
	named        = regexp.MustCompile(`/(events|entities)/[^/?]*`)
)

// kindOf returns what an address has in common with others: its path without names, and its
// parameters without values, but for the format.
func kindOf(rest string) string {
	path, query, _ := strings.Cut(rest, "?")
	path = named.ReplaceAllString(epochAndPage.ReplaceAllString(path, "/archive/E/N"), "/$1/X")
	values, _ := url.ParseQuery(query)
	format := values.Get("format")
	values.Del("format")
	names := slices.Sorted(maps.Keys(values))
	return path + "?" + strings.Join(names, "&") + " " + format
}

// next returns an address of the kind whose turn it is.
func (c *crawler) next() (address string, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kinds := slices.Sorted(maps.Keys(c.waiting))
	for range kinds {
		c.turn++
		kind := kinds[c.turn%len(kinds)]
		if list := c.waiting[kind]; len(list) > 0 {
			c.waiting[kind] = list[1:]
			return list[0], true
		}
	}
	return "", false
}

// visit requests a page and notes its links.
func (c *crawler) visit(ctx context.Context, address string) {
	begin := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return // no address of ours
	}
	request.Header.Set("Accept", "text/html, */*;q=0.5")
	response, err := client.Do(request)
	if err != nil {
		return // the end, or a server that is gone, which the other side of the measurement tells
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return
	}
	took := time.Since(begin)
	links := linksOf(response, body)
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := kindOf(strings.TrimPrefix(address, c.from))
	c.visits[kind] = append(c.visits[kind], visit{address, response.StatusCode, took})
	for _, link := range links {
		c.add(link)
	}
}

// linksOf returns the absolute URLs of a page's links, rel=nofollow or not, or of a redirect.
func linksOf(response *http.Response, body []byte) (links []string) {
	base := response.Request.URL
	add := func(reference string) {
		if target, err := base.Parse(reference); err == nil {
			links = append(links, target.String())
		}
	}
	if location := response.Header.Get("Location"); location != "" {
		add(location)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		return links
	}
	page, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		return links
	}
	for node := range page.Descendants() {
		if node.Data != "a" {
			continue
		}
		for _, attribute := range node.Attr {
			if attribute.Key == "href" {
				add(attribute.Val)
			}
		}
	}
	return links
}

// report prints, for each kind of page, how many there were and how long they took.
func (c *crawler) report() {
	c.mu.Lock()
	defer c.mu.Unlock()
	total, wrong := 0, 0
	fmt.Printf("%-44s %8s %10s %10s\n", "pages", "requests", "median", "slowest")
	for _, kind := range slices.Sorted(maps.Keys(c.visits)) {
		visits := c.visits[kind]
		slices.SortFunc(visits, func(a, b visit) int { return cmp.Compare(a.took, b.took) })
		fmt.Printf("%-44s %8d %7.1f ms %7.1f ms\n", kind, len(visits), milliseconds(visits[len(visits)/2].took), milliseconds(visits[len(visits)-1].took))
		total += len(visits)
		for _, v := range visits {
			if v.status >= http.StatusBadRequest {
				wrong++
				fmt.Printf("  %d %s\n", v.status, v.address)
			}
		}
	}
	fmt.Printf("%d requests, %d of them errors\n", total, wrong)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
