package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// replacedPageError is the error for an archive of a lost history. A reader that follows
// next-archive must notice the loss, so there is no redirect. Links (RFC 8288) and the detail show
// where the history continues.
type replacedPageError struct {
	error
	successor string // reference to the page that replaces it (RFC 5829); empty if there is none yet
	current   string // reference to the subscription document
}

func (p *replacedPageError) Unwrap() error { return p.error }

func (p *replacedPageError) link(header http.Header) {
	if p.successor != "" {
		header.Add("Link", "<"+p.successor+`>; rel="successor-version"`)
	}
	header.Add("Link", "<"+p.current+`>; rel="current"`)
}

// whereItGoesOn adds the page that replaces a lost one to ErrPageGone.
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
