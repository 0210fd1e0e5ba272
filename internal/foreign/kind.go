package foreign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// Kind says how much of itself a feed offers.
type Kind string

// The kinds of feeds.
const (
	Archived Kind = "archived" // RFC 5005 section 4: all of its history, in a chain of archives
	Paged    Kind = "paged"    // section 3: pages, whose content may move while they are read
	Complete Kind = "complete" // section 2: what holds now, all of it
	Plain    Kind = "plain"    // its newest entries, whatever that is
)

// Warning says what cannot be promised of the kind; it is empty for an archived
// feed.
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

// warn says once what of the feed cannot be promised.
func (r *Reader) warn() {
	if warning := r.Kind.Warning(); warning != "" {
		r.warnOnce(warning)
	}
	if r.idDiffers() {
		r.warnOnce("not all documents of this feed have the same atom:id (RFC 4287 section 4.2.6); the seeder keeps the id that it recorded first, and recognizes the feed by its links and entries",
			slog.String("atom_id", r.head.id), slog.String("known_by", r.ID))
	}
}

// warnOnce writes a warning about the feed, where it has not been written. It may be
// called by several goroutines.
func (r *Reader) warnOnce(warning string, arguments ...any) {
	if _, again := r.warned.LoadOrStore(warning, true); again {
		return
	}
	r.Logger.Warn(warning, append([]any{slog.String("feed", r.Name), slog.String("url", r.URL.Redacted())}, arguments...)...)
}

// flawedError is an error of what is a feed, or a part of one, and cannot be read as
// it is.
type flawedError struct{ error }

// errOurs says of a document that it has elements of eventfeed's own, and could not be
// read as one.
var errOurs = errors.New("is a damaged eventfeed document")

// kind tells what the feed's own document says of the feed.
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

// isLaterPage reports whether the document says that the feed begins on another page.
func (d *document) isLaterPage() bool {
	return len(d.links["previous"])+len(d.links["prev"]) > 0 && len(d.links["first"]) > 0 && d.links["first"][0] != withoutFragment(d.url)
}

// elsewhere returns where the first page of the feed is, if the document is not it,
// and says so; nil if it is, or if that cannot be followed. The URL of a stream of
// EventStoreDB leads to its newest page, which names itself under another URL as the
// first one.
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

// tryFirstPage fetches the first page of a feed in place of another one.
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

// hint proposes the URL of a link, if there is one and it does not lead where no feed is.
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
