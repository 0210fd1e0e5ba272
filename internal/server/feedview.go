package server

import (
	"context"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// searches is the maximum number of searches in the log at the same time. Others wait, so that a
// crawler or a crowd leaves the database free for publishers and readers.
const searches = 2

// feedView answers a request for a view of a feed's HTML page, other than the newest events.
type feedView func(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error

// view returns what a query asks for; nil for the newest events.
func (s *server) view(q feedQuery) feedView {
	switch {
	case q.find != "":
		return s.search
	case q.isFilter():
		return s.filtered
	case q.page > 0:
		return s.toPage
	case q.position > 0:
		return s.toPosition
	case q.time != "":
		return s.toTime
	case q.before > 0:
		return s.part
	default:
		return nil
	}
}

// serveView answers with a page that is made for this request. It shows the feed's end, or what a
// restore may change, so caches keep it no longer than the feed itself.
func (s *server) serveView(w http.ResponseWriter, r *http.Request, a *ask, content []byte) error {
	header := w.Header()
	header.Set("Vary", s.vary(a.explicit))
	header.Set("Cache-Control", subscriptionLifetime.cacheControl(s.scope()))
	return s.serve(w, r, newRepresentation(htmlForm, a.coding, content))
}

// seeOther redirects to a reference, RFC 9110 section 15.4.4. Where it leads may change, so no cache
// stores it.
func seeOther(w http.ResponseWriter, reference string) error {
	header := w.Header()
	header.Set("Location", reference)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// readLog calls read with a snapshot of the log, and with the feed in it.
func (s *server) readLog(ctx context.Context, name string, read func(ctx context.Context, log store.Snapshot, f *store.Feed) error) error {
	if err := reachable(s.Feeds); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.Log.ReadFeed(ctx, name, func(log store.Snapshot, f *store.Feed) error { return read(ctx, log, f) })
}

// searchLog is readLog for a read of many rows, when it is its turn.
func (s *server) searchLog(ctx context.Context, name string, read func(ctx context.Context, log store.Snapshot, f *store.Feed) error) error {
	leave, err := s.searching.enter(ctx, 1)
	if err != nil {
		return err
	}
	defer leave()
	return s.readLog(ctx, name, read)
}

// listed collects the events that a read of a list yields.
func listed(read func(yield func(*store.ListedEvent) error) error) (events []html.Listed, err error) {
	err = read(func(e *store.ListedEvent) error {
		events = append(events, html.Listed{Placed: e.Placed, Size: e.Size})
		return nil
	})
	return events, err
}
