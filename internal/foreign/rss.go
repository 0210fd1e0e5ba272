package foreign

import (
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/mmcdole/gofeed/rss"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// rssItem converts an item of RSS. RSS does not define the base of relative links; it is the
// document's URL.
func rssItem(it *rss.Item, i *item, base *url.URL) raw {
	r := raw{item: i, published: valid(it.PubDateParsed)}
	published, changed := it.PubDate, ""
	if dates := dublinCore(it, "date"); r.published.IsZero() && len(dates) > 0 {
		published, r.published = dates[0], parseTime(dates[0])
	}
	for _, updated := range it.Extensions["atom"]["updated"] {
		changed, r.updated = updated.Value, parseTime(updated.Value)
	}
	r.about = about{
		Title: it.Title, Link: absolute(it.Link, base), Links: i.links, Summary: it.Description, Content: it.Content,
		Published: published, Updated: changed,
	}
	if it.Content != "" {
		r.about.ContentType = "html"
	}
	for _, e := range it.Enclosures {
		r.about.Links = append(r.about.Links, link{Rel: "enclosure", Href: absolute(e.URL, base), Type: e.Type})
	}
	for _, author := range append([]string{it.Author}, dublinCore(it, "creator")...) {
		if author != "" {
			r.about.Authors = append(r.about.Authors, personOf(author))
		}
	}
	for _, c := range it.Categories {
		r.about.Categories = append(r.about.Categories, category{Term: c.Value, Scheme: c.Domain})
	}
	for _, subject := range dublinCore(it, "subject") {
		r.about.Categories = append(r.about.Categories, category{Term: subject})
	}
	if it.GUID != nil {
		r.id = strings.TrimSpace(it.GUID.Value)
	}
	r.id = orElse(r.id, orElse(i.about, it.Link)) // unresolved, because an archive has another URL
	r.about.ID = r.id
	r.about.setTimes(r)
	return r
}

func dublinCore(it *rss.Item, name string) (values []string) {
	for _, e := range it.Extensions["dc"][name] {
		if e.Value != "" {
			values = append(values, e.Value)
		}
	}
	return values
}

// parseTime parses a W3C date, as in Dublin Core and Atom.
func parseTime(text string) time.Time {
	if t, err := cloudevents.ParseTime(strings.TrimSpace(text)); err == nil {
		return valid(&t)
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", time.DateOnly, "2006-01"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return valid(&t)
		}
	}
	return time.Time{}
}

// personOf parses "mail@example.org (Name)" and "Name <mail@example.org>". Any other text is a name.
func personOf(author string) person {
	if address, name, ok := strings.Cut(strings.TrimSuffix(author, ")"), " ("); ok && strings.Contains(address, "@") {
		return person{Name: name, Email: address}
	}
	if parsed, err := mail.ParseAddress(author); err == nil {
		return person{Name: parsed.Name, Email: parsed.Address}
	}
	return person{Name: author}
}

func absolute(reference string, base *url.URL) string {
	if resolved, err := base.Parse(reference); err == nil && reference != "" {
		return resolved.String()
	}
	return reference
}
