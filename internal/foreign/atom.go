package foreign

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mmcdole/gofeed/atom"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// atomEntry converts an entry of an Atom feed: its texts from gofeed, everything else from the outline.
func atomEntry(e *atom.Entry, i *item) (raw, error) {
	if i.id == "" && len(i.ce) == 0 {
		return raw{}, errNoID
	}
	r := raw{id: i.id, item: i, published: atomTime(e.Published, e.PublishedParsed), updated: atomTime(e.Updated, e.UpdatedParsed)}
	r.about = about{
		ID: i.id, Title: e.Title, Link: firstLink(i.links), Links: i.links, Summary: e.Summary,
		Published: e.Published, Updated: e.Updated,
	}
	for _, p := range e.Authors {
		r.about.Authors = append(r.about.Authors, person{p.Name, p.Email, p.URI})
	}
	for _, c := range e.Categories {
		r.about.Categories = append(r.about.Categories, category{c.Term, c.Scheme, c.Label})
	}
	if e.Content != nil {
		r.about.setContent(e.Content, i.content)
	}
	if len(i.ce) == 0 {
		i.content = "" // it is in about
	}
	r.about.setTimes(r)
	return r, nil
}

// atomTime parses a time of Atom. For a time that RFC 3339 does not allow it returns gofeed's result.
func atomTime(text string, parsed *time.Time) time.Time {
	if t := parseTime(text); !t.IsZero() {
		return t
	}
	return valid(parsed)
}

// firstLink returns the URL of the first alternate link.
func firstLink(links []link) string {
	for _, l := range links {
		if l.Rel == "alternate" {
			return l.Href
		}
	}
	return ""
}

// setTimes sets the times, in the format of events if they are valid.
func (a *about) setTimes(r raw) {
	if !r.published.IsZero() {
		a.Published = cloudevents.FormatTime(r.published)
	}
	if !r.updated.IsZero() {
		a.Updated = cloudevents.FormatTime(r.updated)
	}
}

// setContent sets the content from that of an Atom entry, RFC 4287 section 4.1.3.3: content that is
// neither text nor XML should be Base64.
func (a *about) setContent(c *atom.Content, text string) {
	a.ContentType, a.ContentSrc = c.Type, c.Src
	kind, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(c.Type)), ";")
	switch {
	case !strings.Contains(kind, "/"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "/xml"):
		a.Content = c.Value
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "json") && json.Valid([]byte(text)):
		a.Content = text
	default:
		data, encoded := fromBase64(text)
		if encoded && !utf8.Valid(data) {
			a.ContentBase64 = base64.StdEncoding.EncodeToString(data)
		} else {
			a.Content = string(data)
		}
	}
}

// fromBase64 decodes a content, and reports whether it was Base64. Otherwise it returns the content
// unchanged, because many feeds contain JSON as text.
func fromBase64(text string) ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, text))
	if err != nil {
		return []byte(text), false
	}
	return data, true
}
