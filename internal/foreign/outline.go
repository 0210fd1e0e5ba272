package foreign

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// outline holds everything of a document except its texts, with exact namespaces and resolved
// links. gofeed is not enough: it uses prefixes, resolves ids as if they were links, and accepts
// documents that are not well-formed.
type outline struct {
	root     string              // feed, rss or RDF
	id       string              // Atom only
	links    map[string][]string // absolute URLs by relation, without fragments; a few for each
	archive  bool                // fh:archive
	complete bool                // fh:complete
	ours     bool                // the feed has elements of eventfeed's namespace
	items    []item
}

// link is an Atom link, with an absolute URL.
type link struct {
	Rel   string `json:"rel"`
	Href  string `json:"href"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
}

// item is an entry, or an item of RSS.
type item struct {
	id      string // Atom only
	about   string // RDF only: its URL
	links   []link
	content string            // the unchanged text of an Atom entry's content
	ce      map[string]string // elements of CloudEvents' namespace
	more    map[string]string // extensions of an event, in eventfeed's namespace
}

// level is the level of an element.
type level int

const (
	other level = iota
	top         // its children are elements of the feed
	entry       // its children are elements of an entry
)

// open is an element whose end was not reached yet.
type open struct {
	level level
	base  *url.URL
	tag   span         // its start tag
	text  func(string) // receives the element's text; may be nil
}

// scanner scans the outline of a document.
type scanner struct {
	outline
	cutter
	limits limits
	stack  []open
	text   strings.Builder
	base   int // length of the longest xml:base
}

// scan scans a document without its XML declaration. The document must be well-formed, except that
// it may use HTML's named entities and undeclared prefixes. scan resolves links according to RFC
// 3986, and cuts the document into parts for gofeed.
func scan(ctx context.Context, body []byte, from *url.URL, l limits) (*outline, []part, error) {
	decoder := boundedxml.NewDecoder(ctx, body, xmlLimits)
	s := &scanner{outline: outline{links: make(map[string][]string)}, stack: []open{{base: from}}, limits: l, cutter: cutter{body: body}}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && s.root != "" {
			parts, err := s.finish(s.base)
			return &s.outline, parts, err
		}
		if err != nil {
			return nil, nil, err
		}
		start, end := decoder.Span()
		if wrong := s.misplaced(token, body[start:end]); wrong != "" {
			return nil, nil, &xml.SyntaxError{Msg: wrong, Line: decoder.Line()}
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = s.open(&t, span{start, end})
		case xml.EndElement:
			err = s.close(end)
		case xml.CharData:
			if last := &s.stack[len(s.stack)-1]; last.text != nil {
				s.text.Write(t)
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// misplaced returns a description of a token that is not allowed at its place; empty if it is allowed.
func (s *scanner) misplaced(token xml.Token, source []byte) string {
	switch t := token.(type) {
	case xml.CharData:
		if len(s.stack) == 1 && len(bytes.Trim(source, " \t\r\n")) > 0 {
			return "there is text outside the root element"
		}
	case xml.Directive:
		if s.root != "" || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
			return fmt.Sprintf("%q cannot be here: a DOCTYPE comes before the root element", startOf(source))
		}
	case xml.ProcInst:
		if strings.EqualFold(t.Target, "xml") {
			return "an XML declaration is in the middle of the document"
		}
	}
	return ""
}

// isHTML reports whether a document is HTML, such as a login page or a proxy's error.
func isHTML(body []byte) bool {
	start := strings.ToLower(string(bytes.TrimSpace(body[:min(len(body), 200)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

func (s *scanner) open(t *xml.StartElement, tag span) error {
	if err := s.count(1 + len(t.Attr)); err != nil {
		return err
	}
	parent := s.stack[len(s.stack)-1]
	o := open{base: parent.base, tag: tag}
	if base := attribute(t, "http://www.w3.org/XML/1998/namespace", "base"); base != "" {
		if len(base) > maxURL {
			return limitError("has an xml:base of more than %d bytes", maxURL)
		}
		if resolved, err := parent.base.Parse(strings.TrimSpace(base)); err == nil {
			o.base = resolved
		}
		s.base = max(s.base, len(o.base.String()))
	}
	switch {
	case s.root == "":
		switch t.Name.Local {
		case "feed", "rss", "RDF":
			s.root, o.level = t.Name.Local, top
		default:
			return fmt.Errorf("is no feed: its root element is %.80s", t.Name.Local)
		}
	case len(s.stack) == 1:
		return errors.New("has more than one root element")
	case parent.level == top:
		s.feedElement(t, &o)
	case parent.level == entry:
		s.entryElement(t, &o)
	}
	if err := s.take(o.level); err != nil {
		return err
	}
	if o.text != nil {
		s.text.Reset()
	}
	s.stack = append(s.stack, o)
	return nil
}

func (s *scanner) close(end int64) error {
	last := s.stack[len(s.stack)-1]
	if last.text != nil {
		last.text(s.text.String())
		s.text.Reset()
	}
	s.stack = s.stack[:len(s.stack)-1]
	if last.level != entry {
		return nil
	}
	if size := end - last.tag.from; size > maxEntry {
		return limitError("entry %d has %d bytes, the limit is %d: no event is as large", len(s.items), size, maxEntry)
	}
	return s.cut(s.stack[1:], end, s.base)
}

// take counts the memory of an element in addition to that of the document.
func (s *scanner) take(l level) error {
	if l == entry {
		s.took += entryMemory
	}
	if s.took > s.limits.memory {
		return s.limits.exceeded()
	}
	return nil
}

// feedElement processes an element of the feed.
func (s *scanner) feedElement(t *xml.StartElement, o *open) {
	native := isNative(s.root, t.Name.Space)
	switch name := t.Name.Local; {
	case s.root != "feed" && native && name == "channel":
		o.level = top
	case s.root == "feed" && native && name == "entry", s.root != "feed" && native && name == "item":
		o.level = entry
		s.items = append(s.items, item{about: attribute(t, "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "about")})
	case s.root == "feed" && native && name == "id":
		o.text = func(text string) { s.id = strings.TrimSpace(text) }
	case name == "link" && (t.Name.Space == feed.AtomNamespace || s.root == "feed" && native):
		s.addLink(linkOf(t, o.base))
	case t.Name.Space == feed.HistoryNamespace && name == "archive":
		s.archive = true
	case t.Name.Space == feed.HistoryNamespace && name == "complete":
		s.complete = true
	case t.Name.Space == feed.Namespace:
		s.ours = true
	}
}

// entryElement processes an element of an entry.
func (s *scanner) entryElement(t *xml.StartElement, o *open) {
	i := &s.items[len(s.items)-1]
	name, isAtom := t.Name.Local, s.root == "feed" && isNative(s.root, t.Name.Space)
	switch {
	case isAtom && name == "id":
		o.text = func(text string) { i.id = strings.TrimSpace(text) }
	case isAtom && name == "content":
		o.text = func(text string) { i.content = text }
	case name == "link" && (isAtom || t.Name.Space == feed.AtomNamespace):
		l := linkOf(t, o.base)
		i.links = append(i.links, l)
		s.took += int64(len(l.Href)) + linkMemory
	case t.Name.Space == feed.CloudEventNamespace:
		o.text = func(text string) { i.ce = s.with(i.ce, name, text) }
	case t.Name.Space == feed.Namespace && name == "extension":
		key := attribute(t, "", "name")
		o.text = func(text string) { i.more = s.with(i.more, key, text) }
	}
}

func (s *scanner) with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = make(map[string]string)
	}
	m[key] = value
	s.took += linkMemory
	return m
}

// maxLinks is the maximum number of different links of one relation that are kept for a feed.
const maxLinks = 8

// addLink keeps a link of the feed if its relation is used.
func (s *scanner) addLink(l link) {
	l.Href, _, _ = strings.Cut(l.Href, "#")
	if all := s.links[l.Rel]; l.Href == "" || !slices.Contains(relationsOfFeeds, l.Rel) || len(all) >= maxLinks || slices.Contains(all, l.Href) {
		return
	}
	s.links[l.Rel] = append(s.links[l.Rel], l.Href)
}

// isNative reports whether elements of a namespace are the format's own.
func isNative(root, space string) bool {
	switch root {
	case "feed":
		return space == feed.AtomNamespace || space == "" || space == "http://purl.org/atom/ns#"
	case "rss":
		return space != feed.AtomNamespace && space != feed.HistoryNamespace && space != feed.Namespace && space != feed.CloudEventNamespace
	default:
		return space == "" || slices.Contains([]string{"http://purl.org/rss/1.0/", "http://channel.netscape.com/rdf/simple/0.9/", "http://my.netscape.com/rdf/simple/0.9/"}, space)
	}
}

func attribute(t *xml.StartElement, space, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && (a.Name.Space == space || space == "http://www.w3.org/XML/1998/namespace" && a.Name.Space == "xml") {
			return a.Value
		}
	}
	return ""
}

// relationsOfFeeds are the relations of a feed's links that are used.
var relationsOfFeeds = []string{"self", "via", "current", "first", "previous", "prev", linkPage, linkArchive, "next-archive"}

// relations is the optional prefix of registered relations, RFC 4287 section 4.2.7.2.
const relations = "http://www.iana.org/assignments/relation/"

func linkOf(t *xml.StartElement, base *url.URL) link {
	l := link{
		Rel:   strings.ToLower(strings.TrimPrefix(strings.TrimSpace(attribute(t, "", "rel")), relations)),
		Href:  strings.TrimSpace(attribute(t, "", "href")),
		Type:  attribute(t, "", "type"),
		Title: attribute(t, "", "title"),
	}
	l.Rel = orElse(l.Rel, "alternate")
	if resolved, err := base.Parse(l.Href); err == nil {
		l.Href = resolved.String()
	}
	return l
}
