package server

import (
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/render"
)

// The forms of a feed's documents.
var (
	atomForm = &form{
		name: "atom", mediaType: feed.ContentType, also: []string{"application/xml", "text/xml"}, delta: true, fixed: true,
		document: func(d *feed.Document, _ string) ([]byte, error) { return feed.AppendDocument(nil, d), nil },
	}
	// siteForm is Atom at the URL that a site has for the document: the same bytes.
	siteForm = &form{
		name: "site", mediaType: feed.ContentType, delta: true, fixed: true,
		document: func(d *feed.Document, _ string) ([]byte, error) {
			site := *d
			site.Site = true
			return feed.AppendDocument(nil, &site), nil
		},
	}
	batchForm = &form{
		name: "cloudevents", mediaType: render.BatchType, delta: true, fixed: true,
		document: func(d *feed.Document, _ string) ([]byte, error) { return render.AppendBatch(nil, d), nil },
	}
	rssForm  = &form{name: "rss", mediaType: render.RSSType, absolute: true, document: render.RSS}
	jsonForm = &form{name: "json", mediaType: render.JSONFeedType, also: []string{"application/json"}, absolute: true, document: render.JSONFeed}
	htmlForm = &form{name: "html", mediaType: html.ContentType, also: []string{"application/xhtml+xml"}, document: renderPage}
)

// The forms of each resource. The first one is the default.
var (
	serviceForms      = []*form{serviceForm, htmlForm}
	subscriptionForms = []*form{atomForm, htmlForm, rssForm, jsonForm, batchForm}
	archiveForms      = []*form{atomForm, htmlForm, jsonForm, batchForm}
	eventForms        = []*form{entryForm, htmlForm, cloudEventForm}
	typesForms        = []*form{typesForm, htmlForm}
)

// renderPage renders a subscription document as HTML. archivePart renders archives. base is the server's absolute URL; empty if it is not the
// same for all clients.
func renderPage(d *feed.Document, base string) ([]byte, error) {
	url := ""
	if base != "" {
		url = base + feed.SubscriptionPath(d.Name)
	}
	return html.Feed(d, url)
}

func listPage(feeds []*feedstate.State) ([]byte, error) {
	items := make([]html.Item, len(feeds))
	for i, f := range feeds {
		items[i] = html.Item{Name: f.Name, Title: f.Title, Position: f.Published, Newest: f.Updated}
	}
	return html.List(items)
}
