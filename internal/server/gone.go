package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// replacedPageError is the error for an archive of a history that was lost. A reader
// that comes by next-archive has to know that: no redirect hides it. But it is
// told where history goes on, by links (RFC 8288) and in the detail.
type replacedPageError struct {
	error
	successor string // reference to the page in its place (RFC 5829); empty if there is none yet
	current   string // reference to the subscription document
}

func (p *replacedPageError) Unwrap() error { return p.error }

func (p *replacedPageError) link(header http.Header) {
	if p.successor != "" {
		header.Add("Link", "<"+p.successor+`>; rel="successor-version"`)
	}
	header.Add("Link", "<"+p.current+`>; rel="current"`)
}

// whereItGoesOn adds to the error of a page that is gone what came in its place.
func whereItGoesOn(f *store.Feed, page feed.Page, err error) error {
	if f == nil || !errors.Is(err, store.ErrPageGone) {
		return err
	}
	p := &replacedPageError{current: feed.SubscriptionReference(f.Name)}
	if page.Number > f.Archives {
		p.error = fmt.Errorf("%w; no page has this number yet", err)
		return p
	}
	there := feed.Page{Epoch: feed.EpochOfPage(f.Epochs, page.Number), Number: page.Number}
	p.successor = feed.ArchiveReference(page, there)
	p.error = fmt.Errorf("%w; in its place stands page %d of epoch %s", err, there.Number, there.Epoch)
	return p
}
