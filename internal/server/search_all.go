package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// maxSearchedFeeds is the maximum number of feeds that one search at the server's root looks through.
const maxSearchedFeeds = 20

// searchAll looks for an event's id, a subject, or a subject and a time in the feeds that the client may
// read, by indexes only. If there is one feed, it redirects to the search in that feed.
func (s *server) searchAll(w http.ResponseWriter, r *http.Request, explicit bool, text string) error {
	visible := s.visible(r)
	if len(visible) == 1 {
		reference := "feeds/" + visible[0].Name + "?" + url.Values{"q": {text}}.Encode()
		if explicit {
			reference += "&format=" + htmlForm.name
		}
		return seeOther(w, reference)
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	found := &html.FoundInFeeds{Query: text, Of: len(visible)}
	if err := s.searchFeeds(r.Context(), visible[:min(len(visible), maxSearchedFeeds)], found); err != nil {
		return err
	}
	content, err := html.FoundInFeedsPage(found)
	if err != nil {
		return err
	}
	return s.serveView(w, r, &ask{explicit: explicit, representationKey: representationKey{coding: coding}}, content)
}

// searchFeeds looks through feeds, one after the other, when it is its turn.
func (s *server) searchFeeds(ctx context.Context, feeds []*feedstate.State, found *html.FoundInFeeds) error {
	leave, err := s.searching.enter(ctx, 1)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for _, state := range feeds {
		if checkMoved(state) != nil {
			continue
		}
		err := s.readLog(ctx, state.Name, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
			in, err := searcher{log: log, feed: f}.inFeed(ctx, found.Query)
			found.Feeds = append(found.Feeds, in)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrNoFeed) {
			return err
		}
	}
	return nil
}

// inFeed looks for an event's id, and in a feed with entities for a subject, or a subject and a time.
func (s searcher) inFeed(ctx context.Context, text string) (in html.FoundInFeed, err error) {
	in = html.FoundInFeed{Name: s.feed.Name, Title: s.feed.Title, HasEntities: s.feed.Entities}
	positions, err := s.withID(ctx, text)
	if err != nil {
		return in, err
	}
	in.Events = int64(len(positions))
	if !s.feed.Entities {
		return in, nil
	}
	subjects := []string{text}
	if subject, _, _, is := splitTime(text, s.feed.Updated); is {
		subjects = append(subjects, subject)
	}
	for i, subject := range subjects {
		if in.Versions == 0 && strings.TrimSpace(subject) != "" {
			in.Subject, in.IsTime = subject, i > 0
			if in.Versions, err = s.published(ctx, subject); err != nil {
				return in, err
			}
		}
	}
	return in, nil
}
