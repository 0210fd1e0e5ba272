package foreign

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
)

// Limits of a foreign document. Memory is an estimate, in bytes.
const (
	maxEntry    = 16 << 20 // size of an entry in bytes: twice that of the largest event
	maxNodes    = 200_000  // elements and attributes of an entry, and between two entries
	maxMarkup   = 48 << 20 // memory of the markup in texts that is resolved against xml:base
	maxPrefix   = 64 << 10 // bytes of the start tags around the entries
	entryMemory = 1 << 10  // memory of an entry, in addition to its texts
	linkMemory  = 200      // memory of a link, an extension and the like, in addition to its texts
)

// xmlLimits are far beyond what feeds contain, with XHTML in their entries.
var xmlLimits = boundedxml.Limits{Depth: 256, Attributes: 256, Prefixes: 100, Declarations: 300_000, Token: maxEntry}

// limits are the limits of a document.
type limits struct {
	document int64 // maximum size, in bytes
	memory   int64 // maximum memory of its entries and their events, in bytes
}

// limitsFor returns the limits for documents of a maximum size.
func limitsFor(document int64) limits { return limits{document, document + document/2} }

// limitError returns the error of a document that exceeds a limit.
func limitError(format string, arguments ...any) error {
	return &boundedxml.LimitError{Text: fmt.Sprintf(format, arguments...)}
}

// ExpandsError reports that the events of a document would take more memory than documents of the
// maximum size may.
type ExpandsError struct{ Limit int64 }

func (e *ExpandsError) Error() string {
	return fmt.Sprintf("its entries take more than %d MiB of memory", e.Limit>>20)
}

func (l limits) exceeded() error { return &ExpandsError{l.memory} }

// span is a range of bytes in a document.
type span struct{ from, to int64 }

// part is a part of a document that is a complete document: some entries, and the elements around
// them. gofeed needs many times the memory of what it parses, so it parses one part after the
// other.
type part struct {
	before, body, after []byte
	items               int
}

// The limits of a part. It ends with the entry that reaches one of them.
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
	begin part  // the current part, without body and after
	from  int64 // offset of its body
	ended int   // number of its entries
	nodes int   // number of its elements and attributes
	since int   // elements and attributes since the end of the last entry
	took  int64 // memory of the entries, in addition to their texts
}

// count counts elements and attributes.
func (c *cutter) count(n int) error {
	c.nodes += n
	if c.since += n; c.since > maxNodes {
		return limitError("has an entry of more than %d elements and attributes", maxNodes)
	}
	return nil
}

// cut ends a part at the end of an entry, if the part is large enough. around are the elements that
// contain the entry.
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
