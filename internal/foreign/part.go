package foreign

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
)

// Bounds of what a document of somebody's may ask for. Memory is counted roughly, in
// bytes.
const (
	maxEntry    = 16 << 20 // bytes of an entry, twice those of the largest event
	maxNodes    = 200_000  // elements and attributes of an entry, and between two entries
	maxMarkup   = 48 << 20 // memory of the markup in texts that is resolved against xml:base
	maxPrefix   = 64 << 10 // bytes of the start tags around the entries
	entryMemory = 1 << 10  // of an entry, besides its texts
	linkMemory  = 200      // of a link, an extension and the like, besides its texts
)

// xmlLimits are far beyond what feeds have, XHTML in their entries included.
var xmlLimits = boundedxml.Limits{Depth: 256, Attributes: 256, Prefixes: 100, Declarations: 300_000, Token: maxEntry}

// limits bound a document by what its reader may use.
type limits struct {
	document int64 // bytes that it may have
	memory   int64 // that its entries and the events made of them may take, in bytes
}

// limitsFor returns the limits that go with those of a document's bytes.
func limitsFor(document int64) limits { return limits{document, document + document/2} }

// limitError says that a document exceeds a limit.
func limitError(format string, arguments ...any) error {
	return &boundedxml.LimitError{Text: fmt.Sprintf(format, arguments...)}
}

// ExpandsError says that the events of a document would take more memory than goes with
// the largest size of a document.
type ExpandsError struct{ Limit int64 }

func (e *ExpandsError) Error() string {
	return fmt.Sprintf("its entries take more than %d MiB of memory", e.Limit>>20)
}

func (l limits) exceeded() error { return &ExpandsError{l.memory} }

// span is where something stands in a document.
type span struct{ from, to int64 }

// part is a piece of a document that is a document of its own: a run of entries, and
// what stands around them. gofeed takes many times the memory of what it reads, so it
// gets one after the other.
type part struct {
	before, body, after []byte
	items               int
}

// Bounds at which a part ends, with the entry that reaches one.
const (
	partBytes = 1 << 20
	partNodes = 20_000
)

func (p *part) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(p.before), bytes.NewReader(p.body), bytes.NewReader(p.after))
}

// cutter cuts a document into parts.
type cutter struct {
	body  []byte
	parts []part
	begin part  // the present one, of which body and after are not known yet
	from  int64 // where its body begins
	ended int   // entries in it
	nodes int   // elements and attributes in it
	since int   // elements and attributes since an entry has ended
	took  int64 // memory that entries take besides their texts
}

// count counts elements and attributes.
func (c *cutter) count(n int) error {
	c.nodes += n
	if c.since += n; c.since > maxNodes {
		return limitError("has an entry of more than %d elements and attributes", maxNodes)
	}
	return nil
}

// cut ends a part at the end of an entry, if it is large enough. around are the
// elements that the entry stands in.
func (c *cutter) cut(around []open, end int64, base int) error {
	c.ended++
	c.since = 0
	if end-c.from < partBytes && c.nodes < partNodes {
		return nil
	}
	var before, after []byte
	for _, o := range around {
		tag := c.body[o.tag.from:o.tag.to]
		before = append(before, tag...)
		after = append(closing(tag), after...)
	}
	if len(before) > maxPrefix {
		return limitError("the tags around its entries have more than %d bytes", maxPrefix)
	}
	if err := c.add(end, after, base); err != nil {
		return err
	}
	c.begin, c.from, c.ended, c.nodes = part{before: before}, end, 0, 0
	return nil
}

func (c *cutter) add(end int64, after []byte, base int) error {
	p := c.begin
	p.body, p.after, p.items = c.body[c.from:end], after, c.ended
	c.parts = append(c.parts, p)
	if base == 0 {
		return nil
	}
	markup := bytes.Count(p.body, []byte("<")) + bytes.Count(p.body, []byte("&lt;")) + bytes.Count(p.body, []byte("&#"))
	if int64(markup)*(linkMemory+int64(base)) > maxMarkup {
		return limitError("has texts with more markup than is resolved against its xml:base")
	}
	return nil
}

// finish returns all parts.
func (c *cutter) finish(base int) ([]part, error) {
	err := c.add(int64(len(c.body)), nil, base)
	return c.parts, err
}

// closing returns the end tag of a start tag.
func closing(tag []byte) []byte {
	name := string(tag[1:])
	if end := strings.IndexAny(name, " \t\r\n>"); end >= 0 {
		name = name[:end]
	}
	return []byte("</" + name + ">")
}
