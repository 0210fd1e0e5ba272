package feed

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/eventfeed/eventfeed/event"
)

// errNotCanonical says that a document is not in canonical form. It may still
// be a good one, for [Decode] to read with an XML parser.
var errNotCanonical = errors.New("not in canonical form")

// scanDocument reads a document in canonical form. It looks for the texts
// between the marks that [AppendDocument] writes, in that order, and need not
// be strict: whoever calls it compares what the result encodes to.
func scanDocument(ctx context.Context, body []byte) (*Document, error) {
	// No copy: the document shares memory with body, as Decode says.
	s := &scanner{text: unsafe.String(unsafe.SliceData(body), len(body)), bytes: body}
	d := &Document{}
	s.skip(documentStart)
	d.ID = s.between("<id>", "</id>\n")
	d.Title = s.between("<title>", "</title>\n")
	d.Updated = s.time("<updated>", "</updated>\n")
	d.Author = s.between("<author><name>", "</name></author>\n")
	s.links(d)
	s.profile(d)
	for !s.failed && strings.HasPrefix(s.text[s.at:], "<entry>") {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d.Entries = append(d.Entries, s.entry())
	}
	s.skip(documentEnd)
	if s.failed || s.at != len(s.text) {
		return nil, fmt.Errorf("%w at byte %d", errNotCanonical, s.at)
	}
	d.orderEntries()
	return d, nil
}

// orderEntries turns the subscription document's newest first into the order
// of positions.
func (d *Document) orderEntries() {
	if d.Kind == Subscription {
		for i, j := 0, len(d.Entries)-1; i < j; i, j = i+1, j-1 {
			d.Entries[i], d.Entries[j] = d.Entries[j], d.Entries[i]
		}
	}
}

// scanner walks over a text. Once something is not there it has failed, and
// all that follows returns zero values.
type scanner struct {
	text   string
	bytes  []byte // the same as text; data is cut out of it
	at     int
	failed bool
}

func (s *scanner) links(d *Document) {
	self := s.between(`<link rel="self" href="`, "\"/>\n")
	if s.skipIf(`<link rel="current" href="`) {
		d.Kind = Archive
		s.raw("\"/>\n")
	}
	if s.skipIf(`<link rel="prev-archive" href="`) {
		s.raw("\"/>\n")
	}
	if d.Kind == Subscription {
		d.Site = isSiteURL(self)
		return
	}
	if s.skipIf(nextArchiveLink) {
		d.Next = parsePageReference(s.raw("\"/>\n"))
	}
	s.skip(archiveMark)
}

// parsePageReference reads what ArchiveReference writes. An epoch that it
// does not name is that of the page that it stands in, left empty here.
func parsePageReference(href string) *Page {
	page := &Page{}
	if rest, ok := strings.CutPrefix(href, "../"); ok {
		page.Epoch, href, _ = strings.Cut(rest, "/")
	}
	page.Number, _ = strconv.ParseInt(href, 10, 64)
	return page
}

func (s *scanner) profile(d *Document) {
	s.skip(`<ef:feed format="1" name="`)
	d.Name = s.raw("\"/>\n")
	for s.skipIf(`<ef:epoch id="`) {
		d.Epochs = append(d.Epochs, Epoch{
			ID:            s.raw(`"`),
			FirstPosition: s.number(` first-position="`),
			FirstPage:     s.number(` first-page="`),
			DigestBefore:  s.digest(` digest-before="`, "\"/>\n"),
		})
	}
	d.Page = s.number(`<ef:page number="`)
	d.Epoch = s.between(` epoch="`, `"`)
	d.First = s.number(` first="`)
	d.Last = s.number(` last="`)
	d.DigestBefore = s.digest(` digest-before="`, `"`)
	d.DigestAfter = s.digest(` digest-after="`, "\"/>\n")
	if d.Kind == Subscription {
		d.Archives = s.number(`<ef:archives count="`)
		d.Template = s.between(` template="`, "\"/>\n")
		d.Held = s.skipIf(heldMark)
	}
	if d.Next != nil && d.Next.Epoch == "" {
		d.Next.Epoch = d.Epoch
	}
	if count := d.Last - d.First + 1; count >= 0 && count <= MaxPageSize+MinEntries {
		d.Entries = make([]event.Placed, 0, count)
	} else {
		s.failed = true
	}
	if len(d.Epochs) == 0 {
		s.failed = true
	}
}

func (s *scanner) entry() (e event.Placed) {
	id := s.between("<entry><id>urn:uuid:", "</id>")
	s.raw("</title>")
	e.Time = s.time("<updated>", "</updated>")
	e.Type = s.between(`<category term="`, `"/>`)
	e.ID = s.optional("<ce:id>", "</ce:id>")
	if e.ID == "" {
		e.ID = id
	}
	e.Source = s.between("<ce:source>", "</ce:source>")
	e.Subject = s.optional("<ce:subject>", "</ce:subject>")
	e.DataContentType = s.optional("<ce:datacontenttype>", "</ce:datacontenttype>")
	e.DataSchema = s.optional("<ce:dataschema>", "</ce:dataschema>")
	for s.skipIf(`<ef:extension name="`) {
		if e.Extensions == nil {
			e.Extensions = make(map[string]string)
		}
		name := s.raw(`">`)
		s.failed = s.failed || 8*len(e.Extensions) > event.MaxSize // no event has as many
		e.Extensions[name] = unescape(s.raw("</ef:extension>"))
	}
	e.Position = s.number(`<ef:event position="`)
	e.Recorded = s.time(` recorded="`, `"/>`)
	e.Data = s.content()
	s.skip("</entry>\n")
	return e
}

func (s *scanner) content() []byte {
	if s.skipIf("<summary>" + binarySummary + `</summary><content type="` + binaryType + `">`) {
		data, err := base64.StdEncoding.DecodeString(s.raw("</content>"))
		s.failed = s.failed || err != nil
		return data
	}
	s.skip(`<content type="text/plain">`)
	start := s.at
	text := s.raw("</content>")
	switch {
	case text == "":
		return nil
	case strings.IndexByte(text, '&') < 0:
		end := start + len(text)
		return s.bytes[start:end:end]
	default:
		return []byte(unescape(text))
	}
}

// skip moves past mark, which must stand here.
func (s *scanner) skip(mark string) {
	if !s.skipIf(mark) {
		s.failed = true
	}
}

// skipIf moves past mark if it stands here.
func (s *scanner) skipIf(mark string) bool {
	if s.failed || !strings.HasPrefix(s.text[s.at:], mark) {
		return false
	}
	s.at += len(mark)
	return true
}

// raw returns the text up to mark and moves past it.
func (s *scanner) raw(mark string) string {
	if s.failed {
		return ""
	}
	n := strings.Index(s.text[s.at:], mark)
	if n < 0 {
		s.failed = true
		return ""
	}
	text := s.text[s.at : s.at+n]
	s.at += n + len(mark)
	return text
}

func (s *scanner) between(start, end string) string {
	s.skip(start)
	return unescape(s.raw(end))
}

func (s *scanner) optional(start, end string) string {
	if !s.skipIf(start) {
		return ""
	}
	return unescape(s.raw(end))
}

// number reads an attribute's value.
func (s *scanner) number(start string) int64 {
	s.skip(start)
	n, err := strconv.ParseInt(s.raw(`"`), 10, 64)
	s.failed = s.failed || err != nil
	return n
}

func (s *scanner) digest(start, end string) Digest {
	s.skip(start)
	d, err := ParseDigest(s.raw(end))
	s.failed = s.failed || err != nil
	return d
}

func (s *scanner) time(start, end string) time.Time {
	s.skip(start)
	t, err := time.Parse(time.RFC3339Nano, s.raw(end))
	s.failed = s.failed || err != nil
	return t
}

var unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#10;", "\n")

// unescape takes back what appendEscaped does.
func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return unescaper.Replace(s)
}
