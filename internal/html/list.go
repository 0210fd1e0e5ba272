package html

import (
	"strings"
	"time"
)

// Item is a feed in the list of feeds.
type Item struct {
	Name, Title string
	Position    int64     // last one that documents show: how many events there are
	Newest      time.Time // recorded time of that event; not used if there is none
}

var listTemplate = parse("findall.html", "list.html")

// List renders the page at the server's root.
func List(feeds []Item) ([]byte, error) {
	return render(listTemplate, page{
		Title: "Feeds", Root: "./", Content: feeds,
		Alternates: []link{{"./?format=service", "Service document (AtomPub)", "application/atomsvc+xml"}},
	})
}

// Root is the reference from a page at this path, escaped as it was asked for,
// to the server's root, "/". For pages whose place is not known beforehand.
func Root(path string) string {
	if up := strings.Count(path, "/") - 1; up > 0 {
		return strings.Repeat("../", up)
	}
	return "./"
}
