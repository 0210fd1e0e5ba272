package foreign

import (
	"errors"
	"log/slog"
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
		return "this feed is paged (RFC 5005 section 3): what moves from one page to another while they are read, or changes on an old page, may be missed, and removals are not noticed"
	case Complete:
		return "this feed is a complete one (RFC 5005 section 2): removals are not noticed, nor what came and went between two looks"
	case Plain:
		return "this feed has no archives (RFC 5005 section 4): what falls off its end between two looks is lost, and all before the first look is"
	default:
		return ""
	}
}

func (r *Reader) warn() {
	if warning := r.Kind.Warning(); warning != "" && !r.warned {
		r.warned = true
		r.Logger.Warn(warning, slog.String("feed", r.Name), slog.String("url", r.URL.Redacted()))
	}
}

// flawedError is an error of what is a feed, or a part of one, and cannot be read as
// it is.
type flawedError struct{ error }

// kind tells what the feed's own document says of the feed.
func (d *document) kind() (Kind, error) {
	switch {
	case d.ours:
		return "", errors.New("is a damaged document of eventfeed's own")
	case d.atom && d.id == "":
		return "", &flawedError{errors.New("has no id, which RFC 4287 section 4.1.1 demands")}
	case d.archive:
		return "", &flawedError{errors.New("is not the feed itself, but an archive" + hint(d.links["current"]))}
	case d.complete:
		return Complete, nil
	case len(d.links[linkArchive]) > 0:
		return Archived, nil
	case len(d.links["previous"]) > 0 && len(d.links["first"]) > 0 && d.links["first"][0] != withoutFragment(d.url):
		return "", &flawedError{errors.New("is not the feed itself, but one of its pages" + hint(d.links["first"]))}
	case len(d.links[linkPage]) > 0:
		return Paged, nil
	}
	return Plain, nil
}

func hint(links []string) string {
	if len(links) == 0 {
		return ""
	}
	return "; give " + links[0]
}
