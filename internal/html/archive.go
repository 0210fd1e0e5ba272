package html

import (
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Archive renders a part of an archive document: up to ShownRows events before a position, the newest
// event first, so that going back reads on. The position must be after that of one of them; the
// largest number stands for the end of the archive. archives is the number of the feed's archives.
func Archive(d *feed.Document, beforePosition, archives int64) ([]byte, error) {
	const root = "../../../../"
	self := feedReference(root, d.Name)
	here := root + feed.ArchivePath(d.Name, feed.Page{Epoch: d.Epoch, Number: d.Page})[1:]
	last := min(beforePosition-1, d.Last)
	c := partContent{
		Heading: heading(d.Name, d.Title), First: max(d.First, last-ShownRows+1), Last: last, Page: d.Page, Pages: archives + 1, Epoch: d.Epoch,
		Find: finder{Action: self, Pages: archives + 1}, Pager: pageLinks{Newest: self, Page: d.Page, Pages: archives + 1}, Rows: rows(root, d, last+1),
	}
	switch newer := min(last+1+ShownRows, d.Last+1); {
	case last < d.Last && newer <= d.Last:
		c.Pager.Newer = before(here, newer)
	case last < d.Last:
		c.Pager.Newer = here
	case d.Next != nil:
		c.Pager.Newer = before(root+feed.ArchivePath(d.Name, *d.Next)[1:], d.Last+1+ShownRows)
	default:
		c.Pager.Newer = before(self, d.Last+1+ShownRows)
	}
	switch {
	case c.First > d.First:
		c.Pager.Older = before(here, c.First)
	case d.Page > 1:
		c.Pager.Older = archiveReference(root, d, d.Page-1)
	}
	if c.First > 1 {
		c.Pager.Oldest = oldest(self)
	}
	return render(partTemplate, page{
		Title: c.title(), Root: root, Content: c,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
		Alternates: []link{
			{here + "?format=atom", "Atom", feed.ContentType},
			{here + "?format=json", "JSON Feed", "application/feed+json"},
			{here + "?format=cloudevents", "CloudEvents", "application/cloudevents-batch+json"},
		},
	})
}
