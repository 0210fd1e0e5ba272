package foreign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/mmcdole/gofeed/atom"
	"github.com/mmcdole/gofeed/rss"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// raw is the content of an entry, before it is an event.
type raw struct {
	id        string // the unchanged id; may be empty in RSS
	about     about
	published time.Time
	updated   time.Time
	item      *item
}

// about is the data of an event that is made of an entry; see docs/foreign.md.
type about struct {
	ID            string     `json:"id,omitempty"`
	Title         string     `json:"title,omitempty"`
	Link          string     `json:"link,omitempty"` // the page that the entry is about
	Links         []link     `json:"links,omitempty"`
	Summary       string     `json:"summary,omitempty"`
	Content       string     `json:"content,omitempty"`
	ContentType   string     `json:"content_type,omitempty"`
	ContentBase64 string     `json:"content_base64,omitempty"` // instead of Content, if the content is not text
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

// parse parses a document of a feed. Its links contain no password of from. A document that is not
// well-formed, or not a feed, is a malformedError.
func parse(ctx context.Context, body []byte, from *url.URL, contentType string, l limits) (*document, error) {
	d, err := read(ctx, body, from, contentType, l)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, flawed := errors.AsType[*flawedError](err); err != nil && !flawed && !isLimit(err) {
		err = &malformedError{err}
	}
	return d, err
}

func read(ctx context.Context, body []byte, from *url.URL, contentType string, l limits) (*document, error) {
	from = withoutUser(from)
	body, doubt, err := toUTF8(body, contentType)
	if err != nil {
		return nil, err
	}
	if err := checkStart(body); err != nil {
		return nil, err
	}
	if int64(len(body)) > l.document {
		return nil, &fetch.TooLargeError{Limit: l.document}
	}
	outline, parts, err := scan(ctx, body, from, l)
	if err != nil {
		return nil, notWellFormed(err)
	}
	d := &document{
		url: from, id: outline.id, atom: outline.root == "feed", links: outline.links,
		archive: outline.archive, complete: outline.complete, ours: outline.ours, charset: doubt,
	}
	items := outline.items
	for i := range parts {
		p := &parts[i]
		if d.atom {
			err = d.readAtom(ctx, p, items[:p.items])
		} else {
			err = d.readRSS(ctx, p, items[:p.items])
		}
		if err != nil {
			return d, err
		}
		items = items[p.items:]
	}
	return d, nil
}

// isLimit reports whether a document was refused because it exceeds a limit.
func isLimit(err error) bool {
	_, limit := errors.AsType[*boundedxml.LimitError](err)
	return limit || isSize(err)
}

// isSize reports whether a document was refused because of its size, which users can allow.
func isSize(err error) bool {
	_, expands := errors.AsType[*ExpandsError](err)
	_, large := errors.AsType[*fetch.TooLargeError](err)
	return expands || large
}

func (d *document) readAtom(ctx context.Context, p *part, items []item) error {
	f, err := new(atom.Parser).Parse(&reader{ctx, p.reader()})
	if err != nil {
		return err
	}
	if len(f.Entries) != len(items) {
		return fmt.Errorf("cannot be read: it has %d entries, or %d", len(f.Entries), len(items))
	}
	if f.Title != "" {
		d.title = f.Title
	}
	if updated := valid(f.UpdatedParsed); !updated.IsZero() {
		d.updated = updated
	}
	for i, e := range f.Entries {
		r, err := atomEntry(e, &items[i])
		if err != nil {
			return &flawedError{fmt.Errorf("entry %d: %w", len(d.entries)+1, err)}
		}
		d.entries = append(d.entries, version{raw: r})
	}
	return nil
}

func (d *document) readRSS(ctx context.Context, p *part, items []item) error {
	f, err := new(rss.Parser).Parse(&reader{ctx, p.reader()})
	if err != nil {
		return err
	}
	if len(f.Items) != len(items) {
		return fmt.Errorf("cannot be read: it has %d items, or %d", len(f.Items), len(items))
	}
	if f.Title != "" {
		d.title = f.Title
	}
	for _, t := range []*time.Time{f.PubDateParsed, f.LastBuildDateParsed} {
		if updated := valid(t); !updated.IsZero() {
			d.updated = updated
		}
	}
	for i, it := range f.Items {
		d.entries = append(d.entries, version{raw: rssItem(it, &items[i], d.url)})
	}
	return nil
}

// reader is a reader that ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // of one call
	io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// errNoID reports that an Atom entry has no id.
var errNoID = errors.New("it has no id, which RFC 4287 section 4.1.2 demands")

// valid returns a time if an event can have it; otherwise the zero time.
func valid(t *time.Time) time.Time {
	if t == nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
