package feed

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/mmcdole/gofeed/atom"
	ext "github.com/mmcdole/gofeed/extensions"

	"github.com/eventfeed/eventfeed/event"
)

// decodeXML reads a document of our profile in any form of XML.
func decodeXML(body []byte) (*Document, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fmt.Errorf("%w: is empty", ErrNotOurs)
	}
	prefixes, err := checkXML(body)
	if err != nil {
		return nil, notOurs(err)
	}
	f, err := new(atom.Parser).Parse(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	x := &xmlReader{ours: prefixes[Namespace], ce: prefixes[CloudEventNamespace]}
	d := x.document(f)
	if x.err != nil {
		return nil, notOurs(x.err)
	}
	if _, archive := f.Extensions[prefixes[HistoryNamespace]]["archive"]; archive {
		d.Kind = Archive
	}
	for _, e := range f.Entries {
		d.Entries = append(d.Entries, x.entry(e))
	}
	if x.err != nil {
		return nil, x.err
	}
	d.orderEntries()
	return d, nil
}

// notOurs says of a document that it is not of our profile, unless err knows it
// better.
func notOurs(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrTooNew) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotOurs, err)
}

// checkXML refuses what encoding/xml, and so gofeed, lets pass: a DOCTYPE,
// anything after the root, an undeclared prefix, an attribute twice. It returns
// the prefixes that the root declares, by namespace.
func checkXML(body []byte) (map[string]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	tree := xmlTree{prefixes: map[string]string{}, scopes: []map[string]bool{{"": true, "xml": true, "xmlns": true}}}
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			line, _ := decoder.InputPos()
			return tree.prefixes, tree.end(line)
		}
		if err != nil {
			return nil, tree.damaged(err)
		}
		switch t := token.(type) {
		case xml.Directive:
			if isHTML(body) {
				return nil, errors.New("is an HTML page")
			}
			return nil, errors.New("has a DOCTYPE")
		case xml.StartElement:
			if err := tree.open(t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			tree.close()
		case xml.CharData:
			if len(tree.scopes) == 1 && len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("is no XML, or has text outside its root element")
			}
		}
	}
}

// xmlTree is what is open at a place in a document.
type xmlTree struct {
	prefixes map[string]string // that the root declares, by namespace
	scopes   []map[string]bool // prefixes, those that always are and one set for each open element
	roots    int
}

// Bounds of a document that is not in canonical form, far beyond what ours
// have: parsers recurse, and copy the prefixes for each element that declares one.
const (
	maxDepth      = 100
	maxAttributes = 100
	maxPrefixes   = 100
)

func (x *xmlTree) open(t xml.StartElement) error {
	switch {
	case len(x.scopes) > maxDepth:
		return fmt.Errorf("%w: more than %d elements inside one another", ErrDamaged, maxDepth)
	case len(t.Attr) > maxAttributes:
		return fmt.Errorf("%w: element %.80s has more than %d attributes", ErrDamaged, t.Name.Local, maxAttributes)
	}
	if len(x.scopes) == 1 {
		x.roots++
		if t.Name.Local != "feed" {
			return fmt.Errorf("is no Atom or RSS feed: its root element is %.80s", t.Name.Local)
		}
	}
	scope, err := openScope(x.scopes[len(x.scopes)-1], t)
	if err != nil {
		return err
	}
	x.scopes = append(x.scopes, scope)
	if len(x.scopes) == 2 {
		for _, a := range t.Attr {
			if a.Name.Space == "xmlns" {
				x.prefixes[a.Value] = a.Name.Local
			}
		}
	}
	return nil
}

func (x *xmlTree) close() {
	if len(x.scopes) > 1 {
		x.scopes = x.scopes[:len(x.scopes)-1]
	}
}

// end holds a document to being whole, whose last line has a number.
func (x *xmlTree) end(line int) error {
	if len(x.scopes) > 1 {
		return x.damaged(fmt.Errorf("it ends inside an element, at line %d", line))
	}
	if x.roots != 1 {
		return fmt.Errorf("has %d root elements", x.roots)
	}
	return nil
}

// damaged says of an error whether it is a feed at least that has it.
func (x *xmlTree) damaged(err error) error {
	if x.roots > 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// isHTML reports whether a document says of itself that it is HTML, which is
// what a login page or a proxy's error often is.
func isHTML(body []byte) bool {
	const mark = "<!doctype html"
	start := bytes.TrimSpace(body)
	return len(start) >= len(mark) && strings.EqualFold(string(start[:len(mark)]), mark)
}

// openScope returns the prefixes that are declared inside an element, and
// checks those that the element itself uses.
func openScope(outer map[string]bool, element xml.StartElement) (map[string]bool, error) {
	scope := outer
	cloned := false
	for _, a := range element.Attr {
		if a.Name.Space == "xmlns" && !scope[a.Name.Local] {
			if !cloned {
				scope, cloned = maps.Clone(scope), true
			}
			scope[a.Name.Local] = true
		}
	}
	if len(scope) > maxPrefixes {
		return nil, fmt.Errorf("%w: more than %d prefixes are declared", ErrDamaged, maxPrefixes)
	}
	names := make(map[xml.Name]bool, len(element.Attr))
	for _, a := range element.Attr {
		if names[a.Name] {
			return nil, fmt.Errorf("element %s has the attribute %s twice", element.Name.Local, a.Name.Local)
		}
		names[a.Name] = true
		if !scope[a.Name.Space] {
			return nil, fmt.Errorf("prefix %q is not declared", a.Name.Space)
		}
	}
	if !scope[element.Name.Space] {
		return nil, fmt.Errorf("prefix %q is not declared", element.Name.Space)
	}
	return scope, nil
}

// xmlReader maps gofeed's view of a document to ours. It keeps the first
// error; all that follows returns zero values.
type xmlReader struct {
	ours, ce string // prefixes in this document
	err      error
}

func (x *xmlReader) document(f *atom.Feed) *Document {
	ours := f.Extensions[x.ours]
	d := &Document{ID: f.ID, Title: f.Title, Updated: x.time(f.Updated)}
	if len(f.Authors) > 0 {
		d.Author = f.Authors[0].Name
	}
	if len(ours["feed"]) == 0 {
		x.err = errors.New("is another Atom feed, without eventfeed's elements")
	}
	about := x.one(ours, "feed")
	if x.err == nil && about["format"] != strconv.Itoa(Format) {
		x.err = fmt.Errorf("%w: format %.20q", ErrTooNew, about["format"])
	}
	d.Name = about["name"]
	for _, e := range ours["epoch"] {
		d.Epochs = append(d.Epochs, Epoch{
			ID:            e.Attrs["id"],
			FirstPosition: x.number(e.Attrs, "first-position"),
			FirstPage:     x.number(e.Attrs, "first-page"),
			DigestBefore:  x.digest(e.Attrs, "digest-before"),
		})
	}
	if x.err == nil && len(d.Epochs) == 0 {
		x.err = errors.New("names no epoch")
	}
	page := x.one(ours, "page")
	d.Page, d.Epoch = x.number(page, "number"), page["epoch"]
	d.First, d.Last = x.number(page, "first"), x.number(page, "last")
	d.DigestBefore, d.DigestAfter = x.digest(page, "digest-before"), x.digest(page, "digest-after")
	if archives := ours["archives"]; len(archives) > 0 {
		d.Archives, d.Template = x.number(archives[0].Attrs, "count"), archives[0].Attrs["template"]
		d.Held = len(ours["held"]) > 0
	}
	for _, link := range f.Links {
		if link.Rel == "next-archive" {
			d.Next = parsePageReference(link.Href)
			if d.Next.Epoch == "" {
				d.Next.Epoch = d.Epoch
			}
		}
	}
	return d
}

func (x *xmlReader) entry(a *atom.Entry) (e event.Placed) {
	text := func(name string) string {
		if values := a.Extensions[x.ce][name]; len(values) > 0 {
			return values[0].Value
		}
		return ""
	}
	if e.ID = text("id"); len(a.Extensions[x.ce]["id"]) == 0 {
		e.ID = strings.TrimPrefix(a.ID, "urn:uuid:")
	}
	e.Source, e.Subject = text("source"), text("subject")
	e.DataContentType, e.DataSchema = text("datacontenttype"), text("dataschema")
	if len(a.Categories) > 0 {
		e.Type = a.Categories[0].Term
	}
	e.Time = x.time(a.Updated)
	for _, extension := range a.Extensions[x.ours]["extension"] {
		if e.Extensions == nil {
			e.Extensions = make(map[string]string)
		}
		e.Extensions[extension.Attrs["name"]] = extension.Value
	}
	placed := x.one(a.Extensions[x.ours], "event")
	e.Position, e.Recorded = x.number(placed, "position"), x.time(placed["recorded"])
	x.check(a, &e)
	if a.Content != nil && a.Content.Value != "" { // gofeed has decoded Base64
		e.Data = []byte(a.Content.Value)
	}
	return e
}

// check compares what stands twice in an entry, or can be one of two things.
func (x *xmlReader) check(a *atom.Entry, e *event.Placed) {
	switch {
	case x.err != nil:
	case len(a.Extensions[x.ce]["id"]) == 0 && (!isUUID(e.ID) || a.ID != "urn:uuid:"+e.ID):
		x.err = fmt.Errorf("position %d: entry id %q names no event", e.Position, a.ID)
	case a.Content == nil || a.Content.Type != "text/plain" && a.Content.Type != binaryType:
		x.err = fmt.Errorf("position %d: content is neither text/plain nor %s", e.Position, binaryType)
	}
}

// one returns the attributes of an element that must be there once.
func (x *xmlReader) one(elements map[string][]ext.Extension, name string) map[string]string {
	if len(elements[name]) != 1 {
		if x.err == nil {
			x.err = fmt.Errorf("has %d %s elements of eventfeed's namespace, not one", len(elements[name]), name)
		}
		return nil
	}
	return elements[name][0].Attrs
}

func (x *xmlReader) number(attributes map[string]string, name string) int64 {
	n, err := strconv.ParseInt(attributes[name], 10, 64)
	x.keep(name, err)
	return n
}

func (x *xmlReader) digest(attributes map[string]string, name string) Digest {
	d, err := ParseDigest(attributes[name])
	x.keep(name, err)
	return d
}

func (x *xmlReader) time(text string) time.Time {
	t, err := event.ParseTime(text)
	x.keep("time", err)
	return t
}

func (x *xmlReader) keep(what string, err error) {
	if x.err == nil && err != nil {
		x.err = fmt.Errorf("%s: %w", what, err)
	}
}
