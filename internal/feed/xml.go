package feed

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/boundedxml"
)

// Bounds of a document that is not in canonical form. A text is at most an event of
// which each byte is written as a character reference.
var xmlLimits = boundedxml.Limits{Depth: 100, Attributes: 100, Prefixes: 100, Token: 6 * event.MaxSize, Markup: event.MaxSize}

// decodeXML reads a document of our profile in any form of XML. It holds the events and
// one token, whatever else the document consists of.
func decodeXML(ctx context.Context, body []byte) (*Document, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fmt.Errorf("%w: is empty", ErrNotOurs)
	}
	tree := &xmlTree{decoder: boundedxml.NewDecoder(ctx, body, xmlLimits), reader: newXMLReader()}
	claims := ClaimsOurs(body)
	for {
		err := tree.step()
		switch {
		case err == nil && tree.roots > 0 && !claims:
			return nil, fmt.Errorf("%w: is another Atom feed, without eventfeed's elements", ErrNotOurs)
		case errors.Is(err, io.EOF):
			return tree.document()
		case err != nil && isHTML(body):
			return nil, fmt.Errorf("%w: is an HTML page", ErrNotOurs)
		case err != nil:
			return nil, notOurs(err)
		}
	}
}

// ClaimsOurs reports whether a document says that it is of our profile: the namespace of
// that stands in its root element, if anywhere. The document's start is enough.
func ClaimsOurs(start []byte) bool {
	const rootEnds = 64 << 10
	return bytes.Contains(start[:min(len(start), rootEnds)], []byte(Namespace))
}

// notOurs says of a document that it is not of our profile, unless err knows it
// better.
func notOurs(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrTooNew) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotOurs, err)
}

// xmlTree is what is open at a place in a document. It refuses what encoding/xml lets
// pass: a DOCTYPE, anything after the root, an undeclared prefix.
type xmlTree struct {
	decoder  *boundedxml.Decoder
	reader   *xmlReader
	open     []openElement
	bindings []binding // of prefixes, the innermost last
	roots    int
}

type openElement struct {
	name     xml.Name // as it stands there
	bindings int      // outside of it
}

type binding struct{ prefix, namespace string }

func (x *xmlTree) step() error {
	token, err := x.decoder.RawToken()
	if errors.Is(err, io.EOF) {
		return x.end()
	}
	if err != nil {
		return x.damaged(err)
	}
	switch t := token.(type) {
	case xml.Directive:
		return errors.New("has a DOCTYPE")
	case xml.StartElement:
		return x.start(&t)
	case xml.EndElement:
		return x.close(t.Name)
	case xml.CharData:
		if len(x.open) == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("is no XML, or has text outside its root element")
		}
		return x.reader.text(t)
	}
	return nil
}

func (x *xmlTree) start(t *xml.StartElement) error {
	if len(x.open) == 0 {
		x.roots++
		if t.Name.Local != "feed" {
			return fmt.Errorf("is no Atom or RSS feed: its root element is %.80s", t.Name.Local)
		}
	}
	x.open = append(x.open, openElement{t.Name, len(x.bindings)})
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns":
			x.bindings = append(x.bindings, binding{a.Name.Local, a.Value})
		case a.Name == xml.Name{Local: "xmlns"}:
			x.bindings = append(x.bindings, binding{"", a.Value})
		}
	}
	for _, a := range t.Attr {
		if _, declared := x.namespace(a.Name.Space); !declared && a.Name.Space != "" {
			return fmt.Errorf("prefix %q is not declared", a.Name.Space)
		}
	}
	namespace, declared := x.namespace(t.Name.Space)
	if !declared {
		return fmt.Errorf("prefix %q is not declared", t.Name.Space)
	}
	return x.reader.start(namespace, t)
}

// namespace returns what a prefix stands for. No prefix at all is always declared.
func (x *xmlTree) namespace(prefix string) (namespace string, declared bool) {
	for _, b := range slices.Backward(x.bindings) {
		if b.prefix == prefix {
			return b.namespace, true
		}
	}
	return "", prefix == "" || prefix == "xml" || prefix == "xmlns"
}

func (x *xmlTree) close(name xml.Name) error {
	last := len(x.open) - 1
	if last < 0 || x.open[last].name != name {
		return x.damaged(fmt.Errorf("the end tag %.80s stands where no such element ends", name.Local))
	}
	x.bindings = x.bindings[:x.open[last].bindings]
	x.open = x.open[:last]
	return x.reader.close()
}

// end returns io.EOF where a document may end.
func (x *xmlTree) end() error {
	if len(x.open) > 0 {
		return x.damaged(fmt.Errorf("it ends inside an element, at line %d", x.decoder.Line()))
	}
	if x.roots != 1 {
		return fmt.Errorf("has %d root elements", x.roots)
	}
	return io.EOF
}

// damaged says of an error whether it is a feed at least that has it.
func (x *xmlTree) damaged(err error) error {
	if x.roots > 0 && !errors.Is(err, boundedxml.ErrDOCTYPE) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// document returns what was read.
func (x *xmlTree) document() (*Document, error) {
	d, err := x.reader.end()
	if err != nil {
		return nil, err
	}
	d.orderEntries()
	return d, nil
}

// isHTML reports whether a document says of itself that it is HTML, which is
// what a login page or a proxy's error often is.
func isHTML(body []byte) bool {
	const mark = "<!doctype html"
	start := bytes.TrimSpace(body[:min(len(body), 1024)])
	return len(start) >= len(mark) && strings.EqualFold(string(start[:len(mark)]), mark)
}
