package html

import (
	"github.com/eventfeed/eventfeed/internal/feed"
)

// TypesPart is a part of a feed's types, as their page shows it.
type TypesPart struct {
	Feed, Title string
	Position    int64 // the events up to here are counted
	Types       []feed.TypeCount
	More        bool // there are more types after these
	Later       bool // there are types before these
}

// typeRow is a type with where its links lead.
type typeRow struct {
	feed.TypeCount
	Filter, FirstHref, LastHref string
}

type typesContent struct {
	*TypesPart
	Heading, Self, Next string
	Rows                []typeRow
}

var typesTemplate = parse("types.html")

// Types renders the page of a feed's types.
func Types(part *TypesPart) ([]byte, error) {
	const root = "../../"
	self := root + feed.TypesPath(part.Feed)[1:]
	c := typesContent{TypesPart: part, Heading: heading(part.Feed, part.Title), Self: self}
	list := feedReference(root, part.Feed)
	for _, count := range part.Types {
		c.Rows = append(c.Rows, typeRow{
			TypeCount: count, Filter: filterReference(list, Filter{Type: count.Type}), FirstHref: inList(list, count.First), LastHref: inList(list, count.Last),
		})
	}
	if part.More {
		c.Next = self + feed.TypesAfter(part.Types[len(part.Types)-1].TypeKey)
	}
	return render(typesTemplate, page{
		Title: "Types of " + c.Heading, Root: root, Content: c,
		Crumbs:     []link{{Href: root, Text: "Feeds"}, {Href: list, Text: c.Heading}},
		Alternates: []link{{self + "?format=json", "JSON", "application/json"}},
	})
}

// shownFrequent is the number of types that a feed's page shows: the most frequent ones.
const shownFrequent = 6

// typesLine is what a feed's page says about the types of its events.
type typesLine struct {
	Position int64 // the events up to here are counted
	Frequent []typeRow
	Others   int // types that are not shown
	TooMany  bool
	Href     string // of the page with all of them
}

// typesOf returns what a feed's page says about its types; nil if they are not known, or there are none.
func typesOf(root string, d *feed.Document) *typesLine {
	counts, known := d.Types()
	if d.Archived == nil || known && len(counts) == 0 {
		return nil
	}
	line := &typesLine{Position: d.Last, TooMany: !known, Href: root + feed.TypesPath(d.Name)[1:]}
	for i, count := range counts {
		if i == shownFrequent {
			line.Others = len(counts) - shownFrequent
			break
		}
		line.Frequent = append(line.Frequent, typeRow{TypeCount: count, Filter: filterReference(feedReference(root, d.Name), Filter{Type: count.Type})})
	}
	return line
}
