package server

import (
	"context"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// filtered answers with the newest events that match a filter, before a position if one is named.
func (s *server) filtered(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error {
	v, _, err := s.subscriptions.at(r.Context(), a.feed, wantsFresh(r))
	if err != nil {
		return err
	}
	page := &html.Filtered{Filter: html.Filter(q.filter), Document: v.document, Before: q.before}
	err = s.searchLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
		last := f.Published
		if q.before > 0 {
			last = min(last, q.before-1)
		}
		result, err := match(ctx, log, f, 1, last, q.filter, html.ShownRows)
		page.Events, page.From, page.To = result.events, result.from, last
		if f.Entities && q.filter.Subject != "" && result.version > 0 {
			page.Entity = feed.EntityPath(f.Name, q.filter.Subject)
		}
		return err
	})
	if err != nil {
		return err
	}
	content, err := html.FilteredPage(page)
	if err != nil {
		return err
	}
	return s.serveView(w, r, a, content)
}

// matched has the newest events that match a filter.
type matched struct {
	events []html.Listed
	// from is the first position that was searched; 0 if there was none to search. If there are as
	// many events as were asked for, it is the position of the last of them.
	from    int64
	version int64 // of the entity at the last position that was searched; 0 if there is none
}

// match returns up to limit of the events from position first to last that match a filter, newest
// first, of the newest [store.MaxSearched] positions. In a feed with entities a filter by subject
// searches so many of the entity's events instead.
func match(ctx context.Context, log store.Snapshot, f *store.Feed, first, last int64, filter store.Filter, limit int) (m matched, err error) {
	if last < first {
		return m, nil
	}
	if f.Entities && filter.Subject != "" {
		m, err = matchVersions(ctx, log, f, first, last, filter, limit)
	} else {
		m.from = max(first, last-store.MaxSearched+1)
		m.events, err = listed(func(yield func(*store.ListedEvent) error) error {
			return log.List(ctx, f.Key, m.from, last, filter, limit, yield)
		})
	}
	if err == nil && len(m.events) == limit {
		m.from = m.events[limit-1].Position
	}
	return m, err
}

func matchVersions(ctx context.Context, log store.Snapshot, f *store.Feed, first, last int64, filter store.Filter, limit int) (m matched, err error) {
	m.from = first
	newest, err := log.EntityVersion(ctx, f.Key, filter.Subject)
	if err != nil || newest == 0 {
		return m, err
	}
	if m.version, err = store.VersionAt(ctx, log, f.Key, filter.Subject, newest, last); err != nil {
		return m, err
	}
	before, err := store.VersionAt(ctx, log, f.Key, filter.Subject, m.version, first-1)
	if err != nil {
		return m, err
	}
	oldest := before + 1
	if lowest := m.version - store.MaxSearched + 1; lowest > oldest {
		oldest = lowest
		if m.from, err = log.VersionPosition(ctx, f.Key, filter.Subject, oldest); err != nil {
			return m, err
		}
	}
	m.events, err = listed(func(yield func(*store.ListedEvent) error) error {
		return log.ListVersions(ctx, f.Key, oldest, m.version, filter, limit, yield)
	})
	return m, err
}
