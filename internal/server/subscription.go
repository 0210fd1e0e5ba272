package server

import (
	"sync"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// subscriptionCache keeps each feed's subscription document until the feed
// has moved on.
type subscriptionCache struct {
	mu    sync.Mutex
	feeds map[string]*cachedSubscription
}

type cachedSubscription struct {
	mu    sync.Mutex // one reader builds, the others wait for it
	state subscriptionState
	body  body
}

// subscriptionState is all that a subscription document depends on, besides
// the history itself.
type subscriptionState struct {
	id, title, author   string
	published, archives int64
	epoch               string
}

func (c *subscriptionCache) get(f *store.Feed, build func() (*feed.Document, error)) (body, error) {
	c.mu.Lock()
	if c.feeds == nil {
		c.feeds = make(map[string]*cachedSubscription)
	}
	cached := c.feeds[f.Name]
	if cached == nil {
		cached = &cachedSubscription{}
		c.feeds[f.Name] = cached
	}
	c.mu.Unlock()

	cached.mu.Lock()
	defer cached.mu.Unlock()
	state := subscriptionState{f.ID, f.Title, f.Author, f.Published, f.Archives, f.Epoch()}
	if cached.state == state {
		return cached.body, nil
	}
	d, err := build()
	if err != nil {
		return body{}, err
	}
	cached.state, cached.body = state, newBody(compress.Zstd(feed.AppendDocument(nil, d)))
	return cached.body, nil
}
