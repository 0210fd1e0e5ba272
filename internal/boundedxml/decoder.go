// Package boundedxml reads XML that somebody else has written, within bounds of memory
// and time.
package boundedxml

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits bound what a document may ask of its reader.
type Limits struct {
	Depth      int // elements inside one another
	Attributes int // of an element, declarations of namespaces among them
	Prefixes   int // declared at one place
	// Declarations of namespaces in all: parsers copy those that hold for each element
	// that declares one. 0 means no limit.
	Declarations int
	Token        int // bytes of one text, as it stands in the document
	Markup       int // bytes of one tag, comment or processing instruction; 0 means as for a text
}

// DefaultLimits are far beyond what feeds have, XHTML in their entries included.
var DefaultLimits = Limits{Depth: 256, Attributes: 256, Prefixes: 256, Token: 16 << 20}

// LimitError says that a document exceeds one of its [Limits].
type LimitError struct{ Text string }

func (e *LimitError) Error() string { return e.Text }

func exceeded(format string, arguments ...any) error {
	return &LimitError{fmt.Sprintf(format, arguments...)}
}

// ErrDOCTYPE is returned, wrapped, for a DOCTYPE with declarations of its own: they
// could declare entities that stand for one another.
var ErrDOCTYPE = errors.New("has a DOCTYPE with declarations of its own, which could be of entities")

// Decoder gives the tokens of a document in UTF-8. It holds no more than one token, and
// checks each for its limits before it allocates memory for it.
type Decoder struct {
	xml      *xml.Decoder
	body     []byte
	limits   Limits
	from, to int64
	declared []int // prefixes, by each element that is open
	prefixes int
	all      int // declarations
	doctype  bool
}

// NewDecoder returns a decoder of a document. It is strict, but for the named entities
// of HTML and for prefixes that are not declared. Tokens end with the error of ctx once that is done.
func NewDecoder(ctx context.Context, body []byte, limits Limits) *Decoder {
	d := &Decoder{body: body, limits: limits, xml: xml.NewDecoder(&guard{ctx: ctx, body: body, limits: limits})}
	d.xml.Entity = xml.HTMLEntity
	return d
}

// AnyEncoding makes the decoder take documents in every encoding in which markup is
// ASCII. Other characters are read as question marks. Call it before the first token.
func (d *Decoder) AnyEncoding() {
	d.xml.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return &asciiReader{in}, nil }
}

// asciiReader reads bytes that are not ASCII as question marks.
type asciiReader struct{ io.Reader }

func (r *asciiReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for i, c := range p[:n] {
		if c >= utf8.RuneSelf {
			p[i] = '?'
		}
	}
	return n, err
}

// Token is like [xml.Decoder.Token]. It returns a LimitError for what exceeds a limit.
func (d *Decoder) Token() (xml.Token, error) { return d.checked(d.xml.Token) }

// RawToken is like [xml.Decoder.RawToken], with the errors of [Decoder.Token].
func (d *Decoder) RawToken() (xml.Token, error) { return d.checked(d.xml.RawToken) }

// Span returns where the last token stands, in bytes of the document. An element that
// is closed by its own tag has its end at the end of that.
func (d *Decoder) Span() (from, to int64) { return d.from, d.to }

// Line returns the line of the document that the last token ends on, from 1.
func (d *Decoder) Line() int {
	line, _ := d.xml.InputPos()
	return line
}

func (d *Decoder) checked(next func() (xml.Token, error)) (xml.Token, error) {
	d.from = d.xml.InputOffset()
	token, err := next()
	d.to = d.xml.InputOffset()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case xml.StartElement:
		err = d.open(&t)
	case xml.Directive:
		if d.doctype {
			return nil, &xml.SyntaxError{Msg: "there is a second DOCTYPE", Line: d.Line()}
		}
		d.doctype = true
	case xml.EndElement:
		if last := len(d.declared) - 1; last >= 0 {
			d.prefixes -= d.declared[last]
			d.declared = d.declared[:last]
		}
	}
	if err != nil {
		return nil, err
	}
	if wrong := wellFormed(token, d.body[d.from:d.to]); wrong != "" {
		return nil, &xml.SyntaxError{Msg: wrong, Line: d.Line()}
	}
	return token, nil
}

func (d *Decoder) open(t *xml.StartElement) error {
	own := 0
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			own++
		}
	}
	d.declared, d.prefixes, d.all = append(d.declared, own), d.prefixes+own, d.all+own
	switch {
	case d.limits.Declarations > 0 && d.all > d.limits.Declarations:
		return exceeded("declares namespaces more than %d times", d.limits.Declarations)
	case len(d.declared) > d.limits.Depth:
		return exceeded("has more than %d elements inside one another", d.limits.Depth)
	case len(t.Attr) > d.limits.Attributes:
		return exceeded("element %.80s has more than %d attributes", t.Name.Local, d.limits.Attributes)
	case d.prefixes > d.limits.Prefixes:
		return exceeded("declares more than %d namespaces at one place", d.limits.Prefixes)
	}
	return nil
}

// declares reports whether a DOCTYPE has declarations of its own.
func declares(doctype []byte) bool {
	return bytes.IndexByte(doctype, '[') >= 0 || bytes.Contains(bytes.ToUpper(doctype), []byte("ENTITY"))
}
