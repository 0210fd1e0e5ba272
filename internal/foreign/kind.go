package foreign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// Kind is the kind of a feed: how much of its history it offers.
type Kind string

// The kinds of feeds.
const (
	Archived Kind = "archived" // RFC 5005 section 4: all of its history, in a chain of archives
	Paged    Kind = "paged"    // section 3: pages, whose content may move while they are read
	Complete Kind = "complete" // section 2: all entries that are valid now
	Plain    Kind = "plain"    // only its newest entries
)

// Warning returns what cannot be guaranteed for the kind; it is empty for an archived feed.
func (k Kind) Warning() string {
	switch k {
	case Paged:
		return "this feed is paged (RFC 5005 section 3): an entry that moves to another page while the pages are read, or changes on an old page, may be missed, and removals are not noticed"
	case Complete:
		return "this feed is complete (RFC 5005 section 2): removals are not noticed, nor entries that came and went between two polls"
	case Plain:
		return "this feed has no archives (RFC 5005 section 4): entries that drop off its end between two polls are lost, and so are all from before the first poll"
	default:
		return ""
	}
}

// warn logs once what cannot be guaranteed for the feed.
func (r *Reader) warn() {
	if warning := r.Kind.Warning(); warning != "" {
		r.warnOnce(warning)
	}
	if r.idDiffers() {
		r.warnOnce("not all documents of this feed have the same atom:id (RFC 4287 section 4.2.6); the seeder keeps the id that it recorded first, and recognizes the feed by its links and entries",
			slog.String("atom_id", r.head.id), slog.String("known_by", r.ID))
	}
}

// warnOnce logs a warning about the feed, unless it was logged before. It is safe for concurrent use.
func (r *Reader) warnOnce(warning string, arguments ...any) {
	if _, again := r.warned.LoadOrStore(warning, true); again {
		return
	}
	r.Logger.Warn(warning, append([]any{slog.String("feed", r.Name), slog.String("url", r.URL.Redacted())}, arguments...)...)
}

// flawedError is the error of a document that is a feed, or a part of one, and cannot be read.
type flawedError struct{ error }

// errOurs reports that a document has elements of eventfeed's namespace, and could not be read as
// one of eventfeed's.
var errOurs = errors.New("is a damaged eventfeed document")

// kind returns the kind of the feed, from its own document.
func (d *document) kind(ctx context.Context) (Kind, error) {
	switch {
	case d.ours:
		return "", errOurs
	case d.atom && d.id == "":
		return "", &flawedError{errors.New("has no id, which RFC 4287 section 4.1.1 requires")}
	case d.archive:
		return "", &flawedError{errors.New("is not the feed itself, but an archive" + hint(ctx, d.links["current"]))}
	case d.complete:
		return Complete, nil
	case len(d.links[linkArchive]) > 0:
		return Archived, nil
	case d.isLaterPage():
		return "", &flawedError{errors.New("is not the feed itself, but one of its pages" + hint(ctx, d.links["first"]))}
	case len(d.links[linkPage]) > 0:
		return Paged, nil
	}
	return Plain, nil
}

// isLaterPage reports whether the document states that the feed begins on another page.
func (d *document) isLaterPage() bool {
	return len(d.links["previous"])+len(d.links["prev"]) > 0 && len(d.links["first"]) > 0 && d.links["first"][0] != withoutFragment(d.url)
}

// elsewhere returns the URL of the first page of the feed, if the document states that it is
// another page, and logs that; nil if the document is the first page, or if the link cannot be
// followed. The URL of a stream of EventStoreDB leads to its newest page, which names itself as the
// first one under another URL.
func (r *Reader) elsewhere(head *document) *url.URL {
	if r.firstPage != nil || head.ours || head.archive || head.complete || len(head.links[linkArchive]) > 0 || !head.isLaterPage() {
		return nil
	}
	first, err := url.Parse(head.links["first"][0])
	if err != nil || !r.Client.Allows(first) {
		return nil
	}
	return first
}

// tryFirstPage fetches the first page of a feed, instead of another one.
func (r *Reader) tryFirstPage(ctx context.Context, page *document, first *url.URL) (bool, error) {
	r.firstPage = first
	isNew, err := r.tryHead(ctx, nil)
	if err != nil {
		r.firstPage = nil
		return false, fmt.Errorf("%s: is not the feed itself, but one of its pages%s: %w", page.url.Redacted(), hint(ctx, []string{first.Redacted()}), err)
	}
	r.Logger.Info("the URL is a page of the feed; reading the feed from its first page", "feed", r.Name, "url", r.URL.Redacted(), "first_page", first.Redacted())
	return isNew, nil
}

// hint suggests the URL of a link, if there is one and it does not lead to an address where no feed is.
func hint(ctx context.Context, links []string) string {
	if len(links) == 0 {
		return ""
	}
	target, err := url.Parse(links[0])
	if err != nil || fetch.IsLinkLocal(ctx, target) {
		return ""
	}
	return "; give " + links[0]
}
