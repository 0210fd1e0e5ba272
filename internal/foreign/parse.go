package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mmcdole/gofeed/atom"
	"github.com/mmcdole/gofeed/rss"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// raw is what an entry says, before it is an event.
type raw struct {
	id        string // as it stands there; may be empty in RSS
	about     about
	published time.Time
	updated   time.Time
	item      *item
}

// about is the data of an event that is made of an entry. docs/foreign.md
// describes it.
type about struct {
	ID            string     `json:"id,omitempty"`
	Title         string     `json:"title,omitempty"`
	Link          string     `json:"link,omitempty"` // to what the entry is about
	Links         []link     `json:"links,omitempty"`
	Summary       string     `json:"summary,omitempty"`
	Content       string     `json:"content,omitempty"`
	ContentType   string     `json:"content_type,omitempty"`
	ContentBase64 string     `json:"content_base64,omitempty"` // in place of Content, where it is no text
	ContentSrc    string     `json:"content_src,omitempty"`
	Authors       []person   `json:"authors,omitempty"`
	Categories    []category `json:"categories,omitempty"`
	Published     string     `json:"published,omitempty"`
	Updated       string     `json:"updated,omitempty"`
}

type person struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	URI   string `json:"uri,omitempty"`
}

type category struct {
	Term   string `json:"term"`
	Scheme string `json:"scheme,omitempty"`
	Label  string `json:"label,omitempty"`
}

// parse reads a document of a feed that came with a Content-Type. Its links know no password, wherever it
// came from. What is not well-formed, or no feed at all, is a malformedError.
func parse(body []byte, from *url.URL, contentType string) (*document, error) {
	d, err := read(body, from, contentType)
	if _, flawed := errors.AsType[*flawedError](err); err != nil && !flawed {
		err = &malformedError{err}
	}
	return d, err
}

func read(body []byte, from *url.URL, contentType string) (*document, error) {
	from = withoutUser(from)
	body, doubt, err := toUTF8(body, contentType)
	if err != nil {
		return nil, err
	}
	if err := checkStart(body); err != nil {
		return nil, err
	}
	if err := fetch.CheckXML(body, fetch.DefaultXMLLimits); err != nil {
		return nil, notWellFormed(err)
	}
	outline, err := scan(body, from)
	if err != nil {
		return nil, notWellFormed(err)
	}
	d := &document{
		url: from, id: outline.id, atom: outline.root == "feed", links: make(map[string][]string),
		archive: outline.archive, complete: outline.complete, ours: outline.ours, charset: doubt,
	}
	for _, l := range outline.links {
		target, _, _ := strings.Cut(l.Href, "#")
		if l.Href != "" && !slices.Contains(d.links[l.Rel], target) {
			d.links[l.Rel] = append(d.links[l.Rel], target)
		}
	}
	if d.atom {
		err = d.readAtom(body, outline)
	} else {
		err = d.readRSS(body, outline)
	}
	return d, err
}

func (d *document) readAtom(body []byte, o *outline) error {
	f, err := new(atom.Parser).Parse(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(f.Entries) != len(o.items) {
		return fmt.Errorf("cannot be read: it has %d entries, or %d", len(f.Entries), len(o.items))
	}
	d.title, d.updated = f.Title, valid(f.UpdatedParsed)
	for i, e := range f.Entries {
		r, err := atomEntry(e, &o.items[i])
		if err != nil {
			return &flawedError{fmt.Errorf("entry %d: %w", i+1, err)}
		}
		d.entries = append(d.entries, version{raw: r})
	}
	return nil
}

func (d *document) readRSS(body []byte, o *outline) error {
	f, err := new(rss.Parser).Parse(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(f.Items) != len(o.items) {
		return fmt.Errorf("cannot be read: it has %d items, or %d", len(f.Items), len(o.items))
	}
	d.title, d.updated = f.Title, valid(f.LastBuildDateParsed)
	if d.updated.IsZero() {
		d.updated = valid(f.PubDateParsed)
	}
	for i, it := range f.Items {
		d.entries = append(d.entries, version{raw: rssItem(it, &o.items[i], d.url)})
	}
	return nil
}

// errNoID says of an Atom entry that nothing tells it from others.
var errNoID = errors.New("it has no id, which RFC 4287 section 4.1.2 demands")

// valid returns a time that an event can have, or none.
func valid(t *time.Time) time.Time {
	if t == nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
