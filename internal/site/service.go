package site

import (
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/render"
	"github.com/eventfeed/eventfeed/internal/store"
)

// serviceDocument returns the service document of feeds, which leads to their subscription documents.
func serviceDocument(feeds []store.Feed) ([]byte, error) {
	collections := make([]render.Collection, len(feeds))
	for i := range feeds {
		collections[i] = render.Collection{Reference: keyOf(feed.SitePath(feeds[i].Name)), Title: feeds[i].Title}
	}
	return render.Service(collections)
}
