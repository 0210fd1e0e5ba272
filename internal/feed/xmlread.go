package feed

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// xmlReader makes a document of its elements, in whatever order they come. It keeps the
// first error of the feed, and the first one of an entry; all that follows returns zero
// values.
type xmlReader struct {
	d        *Document
	depth    int
	inEntry  bool
	inAuthor bool
	take     func(text string) // takes the text of the element that is open; nil where nobody needs it
	takeAt   int               // depth of that element
	texts    strings.Builder
	self     string // the document's own URL
	feeds    int    // elements ef:feed, of which there must be one
	pages    int    // elements ef:page, likewise
	err      error
	entry    entryReader
}

func newXMLReader() *xmlReader {
	return &xmlReader{d: &Document{}}
}

// isAtom reports whether a namespace is Atom's. A document may leave it out.
func isAtom(namespace string) bool { return namespace == AtomNamespace || namespace == "" }

func (x *xmlReader) start(namespace string, t *xml.StartElement) error {
	x.depth++
	switch {
	case x.take != nil:
		if x.entry.inContent {
			x.entry.keep(errors.New("its content holds elements"))
		}
	case x.depth == 2 && isAtom(namespace) && t.Name.Local == "entry":
		return x.startEntry()
	case x.depth == 2:
		x.feedElement(namespace, t)
	case x.depth == 3 && x.inEntry:
		x.entryElement(namespace, t)
	case x.depth == 3 && x.inAuthor && isAtom(namespace) && t.Name.Local == "name":
		x.want(func(text string) { x.d.Author = orFirst(x.d.Author, strings.TrimSpace(text)) })
	}
	return nil
}

// want has the text of the present element taken.
func (x *xmlReader) want(take func(text string)) {
	x.take, x.takeAt = take, x.depth
	x.texts.Reset()
}

func (x *xmlReader) text(t []byte) error {
	if x.take == nil || x.depth != x.takeAt {
		return nil
	}
	if x.texts.Len()+len(t) > xmlLimits.Token {
		return fmt.Errorf("%w: a text has more than %d bytes", ErrDamaged, xmlLimits.Token)
	}
	_, _ = x.texts.Write(t)
	return nil
}

func (x *xmlReader) close() error {
	if x.take != nil && x.depth == x.takeAt {
		x.take(x.texts.String())
		x.take = nil
		x.texts.Reset()
	}
	var err error
	if x.depth == 2 {
		if x.inEntry {
			err = x.endEntry()
		}
		x.inEntry, x.inAuthor = false, false
	}
	x.depth--
	return err
}

func (x *xmlReader) feedElement(namespace string, t *xml.StartElement) {
	name := t.Name.Local
	switch {
	case isAtom(namespace):
		x.atomElement(name, attributesOf(t))
	case namespace == HistoryNamespace && name == "archive":
		x.d.Kind = Archive
	case namespace == Namespace:
		x.ownElement(name, attributesOf(t))
	}
}

func (x *xmlReader) atomElement(name string, attributes map[string]string) {
	d := x.d
	switch name {
	case "id":
		x.want(func(text string) { d.ID = strings.TrimSpace(text) })
	case "title":
		x.want(func(text string) { d.Title = strings.TrimSpace(text) })
	case "updated":
		x.want(func(text string) { d.Updated = x.time(strings.TrimSpace(text)) })
	case "author":
		x.inAuthor = true
	case "link":
		switch attributes["rel"] {
		case "self":
			x.self = attributes["href"]
		case "next-archive":
			d.Next = parsePageReference(attributes["href"])
		}
	}
}

func (x *xmlReader) ownElement(name string, a map[string]string) {
	d := x.d
	switch name {
	case "feed":
		x.feeds++
		if a["format"] != strconv.Itoa(Format) {
			x.keep(fmt.Errorf("%w: format %.20q", ErrTooNew, a["format"]))
		}
		d.Name = a["name"]
	case "epoch":
		d.Epochs = append(d.Epochs, Epoch{
			ID:            a["id"],
			FirstPosition: x.number(a, "first-position"),
			FirstPage:     x.number(a, "first-page"),
			DigestBefore:  x.digest(a, "digest-before"),
		})
	case "page":
		x.pages++
		d.Page, d.Epoch = x.number(a, "number"), a["epoch"]
		d.First, d.Last = x.number(a, "first"), x.number(a, "last")
		d.DigestBefore, d.DigestAfter = x.digest(a, "digest-before"), x.digest(a, "digest-after")
	case "archives":
		d.Archives, d.Template = x.number(a, "count"), a["template"]
	case "held":
		d.Held = true
	}
}

// end returns the document once it is read whole. What is wrong with the feed comes
// before what is wrong with an entry.
func (x *xmlReader) end() (*Document, error) {
	switch {
	case errors.Is(x.err, ErrTooNew):
	case x.feeds == 0:
		x.err = errors.New("is another Atom feed, without eventfeed's elements")
	case x.err != nil:
	case x.feeds != 1, x.pages != 1:
		x.err = fmt.Errorf("has %d feed and %d page elements of eventfeed's namespace, not one of each", x.feeds, x.pages)
	case len(x.d.Epochs) == 0:
		x.err = errors.New("names no epoch")
	}
	if x.err != nil {
		return nil, notOurs(x.err)
	}
	if x.d.Next != nil && x.d.Next.Epoch == "" {
		x.d.Next.Epoch = x.d.Epoch
	}
	x.d.Site = x.d.Kind == Subscription && isSiteURL(x.self)
	return x.d, x.entry.err
}

func attributesOf(t *xml.StartElement) map[string]string {
	a := make(map[string]string, len(t.Attr))
	for _, one := range t.Attr {
		if one.Name.Space == "" {
			a[one.Name.Local] = one.Value
		}
	}
	return a
}

func orFirst(first, other string) string {
	if first == "" {
		return other
	}
	return first
}

func (x *xmlReader) number(attributes map[string]string, name string) int64 {
	n, err := strconv.ParseInt(attributes[name], 10, 64)
	x.keepOf(name, err)
	return n
}

func (x *xmlReader) digest(attributes map[string]string, name string) Digest {
	d, err := ParseDigest(attributes[name])
	x.keepOf(name, err)
	return d
}

func (x *xmlReader) time(text string) time.Time {
	t, err := cloudevents.ParseTime(text)
	x.keepOf("time", err)
	return t
}

func (x *xmlReader) keepOf(what string, err error) {
	if err != nil {
		x.keep(fmt.Errorf("%s: %w", what, err))
	}
}

func (x *xmlReader) keep(err error) {
	if x.err == nil {
		x.err = err
	}
}

// entryReader is the entry that is being read.
type entryReader struct {
	e           event.Placed
	id          string // the entry's own
	hasID       bool   // ce:id is there
	placed      int    // elements ef:event
	contentType string
	content     string
	inContent   bool
	bytes       int // of all entries, as events count them
	err         error
}

func (r *entryReader) keep(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("position %d: %w", r.e.Position, err)
	}
}

// startEntry begins an entry, if this is a feed of ours, and one that can be.
func (x *xmlReader) startEntry() error {
	if x.feeds == 0 {
		return nil // skipped: eventfeed's own feeds have their elements before the entries
	}
	if len(x.d.Entries) >= MaxPageSize+MinEntries {
		return fmt.Errorf("%w: more than %d entries", ErrDamaged, MaxPageSize+MinEntries)
	}
	x.inEntry = true
	x.entry = entryReader{bytes: x.entry.bytes, err: x.entry.err}
	return nil
}

func (x *xmlReader) entryElement(namespace string, t *xml.StartElement) {
	r, name := &x.entry, t.Name.Local
	switch {
	case isAtom(namespace) && name == "id":
		x.want(func(text string) { r.id = strings.TrimSpace(text) })
	case isAtom(namespace) && name == "updated":
		x.want(func(text string) { r.e.Time = r.time(text) })
	case isAtom(namespace) && name == "category":
		r.e.Type = orFirst(r.e.Type, attributesOf(t)["term"])
	case isAtom(namespace) && name == "content":
		r.contentType, r.inContent = attributesOf(t)["type"], true
		x.want(func(text string) { r.content, r.inContent = text, false })
	case namespace == CloudEventNamespace:
		if field := r.attribute(name); field != nil {
			r.hasID = r.hasID || name == "id"
			x.want(func(text string) { *field = orFirst(*field, unindented(text)) })
		}
	case namespace == Namespace && name == "extension":
		key := attributesOf(t)["name"]
		x.want(func(text string) { r.extend(key, unindented(text)) })
	case namespace == Namespace && name == "event":
		r.place(attributesOf(t))
	}
}

// attribute returns where an element of CloudEvents' namespace belongs; nil where it
// does not count.
func (r *entryReader) attribute(name string) *string {
	switch name {
	case "id":
		return &r.e.ID
	case "source":
		return &r.e.Source
	case "subject":
		return &r.e.Subject
	case "datacontenttype":
		return &r.e.DataContentType
	case "dataschema":
		return &r.e.DataSchema
	}
	return nil
}

func (r *entryReader) extend(name, value string) {
	if r.bytes += 8 + len(name) + len(value); r.bytes > maxEventBytes {
		return // endEntry says so
	}
	if r.e.Extensions == nil {
		r.e.Extensions = make(map[string]string)
	}
	r.e.Extensions[name] = value
}

func (r *entryReader) place(a map[string]string) {
	r.placed++
	position, err := strconv.ParseInt(a["position"], 10, 64)
	r.e.Position = position
	r.keep(err)
	r.e.Recorded = r.time(a["recorded"])
}

func (r *entryReader) time(text string) time.Time {
	t, err := cloudevents.ParseTime(strings.TrimSpace(text))
	r.keep(err)
	return t
}

// maxEventBytes bounds the events of a document, as pages count them.
const maxEventBytes = 2 * MaxPageBytes

// endEntry compares what stands twice in an entry, or can be one of two things.
func (x *xmlReader) endEntry() error {
	r := &x.entry
	if !r.hasID {
		r.e.ID = strings.TrimPrefix(r.id, "urn:uuid:")
	}
	switch {
	case r.placed != 1:
		r.keep(fmt.Errorf("has %d event elements of eventfeed's namespace, not one", r.placed))
	case !r.hasID && (!isUUID(r.e.ID) || r.id != "urn:uuid:"+r.e.ID):
		r.keep(fmt.Errorf("entry id %q names no event", r.id))
	}
	r.data()
	if r.bytes += cloudevents.Size(&r.e.Event); r.bytes > 2*maxEventBytes { // extensions were counted twice
		return fmt.Errorf("%w: its events have more than %d bytes", ErrDamaged, maxEventBytes)
	}
	x.d.Entries = append(x.d.Entries, r.e)
	return nil
}

// data reads the entry's content.
func (r *entryReader) data() {
	text := strings.TrimSpace(r.content)
	switch r.contentType {
	case "text/plain":
		if text != "" {
			r.e.Data = []byte(text)
		}
	case binaryType:
		data, err := base64.StdEncoding.DecodeString(strings.Map(withoutSpace, text))
		r.keep(err)
		if len(data) > 0 {
			r.e.Data = data
		}
	default:
		r.keep(fmt.Errorf("content is neither text/plain nor %s", binaryType))
	}
}

func withoutSpace(r rune) rune {
	if strings.ContainsRune(" \t\r\n", r) {
		return -1
	}
	return r
}

// unindented returns an attribute's text. What has line breaks or tabs, which no
// attribute can hold, was indented on the way.
func unindented(text string) string {
	if strings.ContainsAny(text, "\t\r\n") {
		return strings.TrimSpace(text)
	}
	return text
}
