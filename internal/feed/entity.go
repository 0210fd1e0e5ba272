package feed

import (
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// EntityPath returns the path of an entity below the server's root: of the events of one subject of
// a feed. A subject that cannot be a segment of a path in every client is in the query. Each subject
// has exactly one path.
func EntityPath(name, subject string) string {
	path := SubscriptionPath(name) + "/entities/"
	if segmentPattern.MatchString(subject) {
		return path + subject
	}
	return path + subjectQuery(subject)
}

// EntityArchivePath returns the path of an entity's archive below the server's root.
func EntityArchivePath(name, subject string, a EntityArchive) string {
	path, query := EntityPath(name, subject), ""
	if at := strings.IndexByte(path, '?'); at >= 0 {
		path, query = strings.TrimSuffix(path[:at], "/"), path[at:]
	}
	return path + "/archive/" + a.Epoch + "/" + strconv.FormatInt(a.Last, 10) + query
}

func subjectQuery(subject string) string { return "?subject=" + url.QueryEscape(subject) }

// Bounds of an entity's archive. It is closed by its EntityArchiveSize-th version, or by the version
// after it that would take it past EntityArchiveBytes. A version that alone is larger is an archive.
const (
	EntityArchiveSize  = 500
	EntityArchiveBytes = 4 << 20 // of data and extensions
)

// EntityArchive names an archive of an entity.
type EntityArchive struct {
	Epoch string // see EntityDocument.Epoch
	Last  int64  // its last version
}

// EntityDocument is a document with versions of one entity: the subscription document, which has the
// newest ones, or an archive. It is a feed of its own for plain feed readers, and no eventfeed feed:
// it has no digests.
type EntityDocument struct {
	Kind                        Kind
	FeedID, Name, Title, Author string // those of the feed
	Subject                     string
	Updated                     time.Time // recorded time of the newest entry

	First, Last int64          // versions of the first and the last entry
	Entries     []event.Placed // in the order of versions, without a gap

	// Epoch is an archive's: that of the event that closed the archive after it or, while there is
	// none, the feed's present one. An archive whose link to the next one may be lost with the end
	// of an epoch so gets another URL.
	Epoch          string
	Previous, Next *EntityArchive // archives before and after it; nil if there is none
}

// Listed returns the versions and the entries in the order in which every form of the document lists
// them: an archive oldest first, the subscription document newest first.
func (d *EntityDocument) Listed() iter.Seq2[int64, *event.Placed] {
	return func(yield func(int64, *event.Placed) bool) {
		for i := range d.Entries {
			if d.Kind == Subscription {
				i = len(d.Entries) - 1 - i
			}
			if !yield(d.First+int64(i), &d.Entries[i]) {
				return
			}
		}
	}
}

// ID returns the atom:id of the entity's documents: the UUIDv5 of its subject in the feed's UUID.
func (d *EntityDocument) ID() string {
	return "urn:uuid:" + uuid.NewSHA1(uuid.MustParse(strings.TrimPrefix(d.FeedID, "urn:uuid:")), []byte(d.Subject)).String()
}

// Heading returns the title of the entity's documents.
func (d *EntityDocument) Heading() string { return d.Subject + " in " + d.Title }

// Links returns the document's links, RFC 5005 section 4, in the order in which it has them.
func (d *EntityDocument) Links() []Link {
	entity, query := d.Subject, ""
	if !segmentPattern.MatchString(entity) {
		entity, query = "", subjectQuery(d.Subject)
	}
	if d.Kind == Subscription {
		links := []Link{{"self", entity + query}}
		if d.Previous != nil {
			folder := strings.TrimPrefix(entity+"/archive/", "/")
			links = append(links, Link{"prev-archive", folder + d.Previous.Epoch + "/" + strconv.FormatInt(d.Previous.Last, 10) + query})
		}
		return links
	}
	current := "../../../" + entity
	if entity == "" {
		current = "../../" + query
	}
	links := []Link{{"self", strconv.FormatInt(d.Last, 10) + query}, {"current", current}}
	for _, to := range []struct {
		rel string
		*EntityArchive
	}{{"prev-archive", d.Previous}, {"next-archive", d.Next}} {
		if to.EntityArchive == nil {
			continue
		}
		reference := strconv.FormatInt(to.Last, 10) + query
		if to.Epoch != d.Epoch {
			reference = "../" + to.Epoch + "/" + reference
		}
		links = append(links, Link{to.rel, reference})
	}
	return links
}

// AppendEntityDocument appends the document as Atom to b. Its entries have the elements that they
// have in the feed's documents, and their versions.
func AppendEntityDocument(b []byte, d *EntityDocument) []byte {
	b = append(b, documentStart...)
	b = appendElement(b, "id", d.ID())
	b = append(b, '\n')
	b = appendElement(b, "title", d.Heading())
	b = append(b, "\n<updated>"...)
	b = cloudevents.AppendTime(b, d.Updated)
	b = append(b, "</updated>\n<author>"...)
	b = appendElement(b, "name", d.Author)
	b = append(b, "</author>\n"...)
	for _, link := range d.Links() {
		b = appendLink(b, link.Rel, link.Reference)
	}
	if d.Kind == Archive {
		b = append(b, archiveMark...)
	}
	for version, e := range d.Listed() {
		b = append(b, "<entry>"...)
		b = appendEntryElements(b, e, version)
		b = append(b, "</entry>\n"...)
	}
	return append(b, documentEnd...)
}
