package feed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// The canonical form: elements in this order and no other, one entry a line,
// so that [Decode] needs no XML parser. docs/format.md specifies it.
const (
	xmlStart      = `<?xml version="1.0" encoding="utf-8"?>` + "\n"
	documentStart = xmlStart + `<feed xmlns="` + AtomNamespace + `" xmlns:fh="` + HistoryNamespace +
		`" xmlns:ce="` + CloudEventNamespace + `" xmlns:ef="` + Namespace + `">` + "\n"
	documentEnd     = "</feed>\n"
	archiveMark     = "<fh:archive/>\n"
	heldMark        = "<ef:held/>\n"
	binaryType      = "application/octet-stream"
	binarySummary   = "binary data"
	nextArchiveLink = `<link rel="next-archive" href="`
)

// entryNamespace is what ids of entries are derived in where the event's own
// id is no UUID.
var entryNamespace = uuid.MustParse(Namespace[len("urn:uuid:"):])

// AppendDocument appends the document in canonical form to b. Its entries
// must be in normal form and complete.
func AppendDocument(b []byte, d *Document) []byte {
	b = appendHeader(b, d)
	for e := range d.Listed() {
		b = appendEntry(b, e)
	}
	return append(b, documentEnd...)
}

// appendHeader writes what stands before the entries.
func appendHeader(b []byte, d *Document) []byte {
	b = append(b, documentStart...)
	b = appendElement(b, "id", d.ID)
	b = append(b, '\n')
	b = appendElement(b, "title", d.Title)
	b = append(b, "\n<updated>"...)
	b = cloudevents.AppendTime(b, d.Updated)
	b = append(b, "</updated>\n<author>"...)
	b = appendElement(b, "name", d.Author)
	b = append(b, "</author>\n"...)
	b = appendLinks(b, d)
	return appendProfile(b, d)
}

// appendLinks writes the links of RFC 5005 section 4.
func appendLinks(b []byte, d *Document) []byte {
	for _, link := range d.Links() {
		b = appendLink(b, link.Rel, link.Reference)
	}
	if d.Kind == Archive {
		b = append(b, archiveMark...)
	}
	return b
}

// appendProfile writes what is ours alone: format, epochs, page and digests.
func appendProfile(b []byte, d *Document) []byte {
	b = append(b, `<ef:feed format="`...)
	b = strconv.AppendInt(b, Format, 10)
	b = append(b, `" name="`...)
	b = append(b, d.Name...)
	b = append(b, "\"/>\n"...)
	for _, e := range d.Epochs {
		b = fmt.Appendf(b, "<ef:epoch id=\"%s\" first-position=\"%d\" first-page=\"%d\" digest-before=\"%s\"/>\n",
			e.ID, e.FirstPosition, e.FirstPage, e.DigestBefore)
	}
	b = fmt.Appendf(b, "<ef:page number=\"%d\" epoch=\"%s\" first=\"%d\" last=\"%d\" digest-before=\"%s\" digest-after=\"%s\"/>\n",
		d.Page, d.Epoch, d.First, d.Last, d.DigestBefore, d.DigestAfter)
	if d.Kind == Subscription {
		b = fmt.Appendf(b, "<ef:archives count=\"%d\" template=\"", d.Archives)
		b = appendAttribute(b, d.Template)
		b = append(b, "\"/>\n"...)
		if d.Held {
			b = append(b, heldMark...)
		}
	}
	return b
}

func appendEntry(b []byte, e *event.Placed) []byte {
	b = append(b, "<entry>"...)
	b = appendEntryElements(b, e, 0)
	return append(b, "</entry>\n"...)
}

// appendEntryElements appends the elements of an entry; with its version, if that is not 0.
func appendEntryElements(b []byte, e *event.Placed, version int64) []byte {
	ownID := isUUID(e.ID)
	b = append(b, "<id>"...)
	b = appendEntryID(b, &e.Event)
	b = append(b, "</id><title>"...)
	b = appendTitle(b, &e.Event)
	b = append(b, "</title><updated>"...)
	b = cloudevents.AppendTime(b, e.Time)
	b = append(b, `</updated><category term="`...)
	b = appendAttribute(b, e.Type)
	b = append(b, `"/>`...)
	if !ownID {
		b = appendElement(b, "ce:id", e.ID)
	}
	b = appendElement(b, "ce:source", e.Source)
	b = appendOptional(b, "ce:subject", e.Subject)
	b = appendOptional(b, "ce:datacontenttype", e.DataContentType)
	b = appendOptional(b, "ce:dataschema", e.DataSchema)
	if len(e.Extensions) > 0 {
		for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
			b = append(b, `<ef:extension name="`...)
			b = append(b, name...)
			b = append(b, `">`...)
			b = appendText(b, e.Extensions[name])
			b = append(b, `</ef:extension>`...)
		}
	}
	b = append(b, `<ef:event position="`...)
	b = strconv.AppendInt(b, e.Position, 10)
	b = append(b, `" recorded="`...)
	b = cloudevents.AppendTime(b, e.Recorded)
	if version > 0 {
		b = append(b, `" version="`...)
		b = strconv.AppendInt(b, version, 10)
	}
	b = append(b, `"/>`...)
	return appendContent(b, e.Data)
}

// appendContent holds to RFC 4287 section 4.1.3.3. Only under text/plain do
// validators and readers agree on how text is written; the real type stands
// in ce:datacontenttype.
func appendContent(b, data []byte) []byte {
	if isPlain(data) {
		b = append(b, `<content type="text/plain">`...)
		b = appendText(b, data)
		return append(b, "</content>"...)
	}
	b = append(b, "<summary>"+binarySummary+"</summary><content type=\""+binaryType+`">`...)
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, "</content>"...)
}

func appendTitle(b []byte, e *event.Event) []byte {
	b = appendText(b, e.Type)
	if e.Subject != "" {
		b = append(b, ' ')
		b = appendText(b, e.Subject)
	}
	return b
}

func appendElement(b []byte, name, text string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = appendText(b, text)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

func appendOptional(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendElement(b, name, text)
}

func appendLink(b []byte, rel, href string) []byte {
	b = append(b, `<link rel="`...)
	b = append(b, rel...)
	b = append(b, `" href="`...)
	b = appendAttribute(b, href)
	return append(b, "\"/>\n"...)
}

// EntryID is the id of an event's entry, in every document that has one:
// docs/format.md says how it comes from source and id.
func EntryID(e *event.Event) string { return string(appendEntryID(nil, e)) }

func appendEntryID(b []byte, e *event.Event) []byte {
	b = append(b, "urn:uuid:"...)
	if isUUID(e.ID) {
		return append(b, e.ID...)
	}
	return append(b, derivedID(e.Source, e.ID)...)
}

// isUUID reports whether an event's id is a UUID in lower case with hyphens.
func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// derivedID is the UUID of an entry whose event's id is none. A line feed can
// be in neither source nor id.
func derivedID(source, id string) string {
	return uuid.NewSHA1(entryNamespace, []byte(source+"\n"+id)).String()
}

// Finalize returns the newest archive's bytes with the link to the page after
// it: the archive's final bytes.
func Finalize(newest []byte, page, next Page) ([]byte, error) {
	at := bytes.Index(newest, []byte(archiveMark))
	if at < 0 || bytes.Contains(newest[:at], []byte(nextArchiveLink)) {
		return nil, errors.New("not the newest archive in canonical form")
	}
	final := make([]byte, 0, len(newest)+128)
	final = append(final, newest[:at]...)
	final = appendLink(final, "next-archive", ArchiveReference(page, next))
	return append(final, newest[at:]...), nil
}
