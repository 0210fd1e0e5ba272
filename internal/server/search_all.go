package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// maxSearchedFeeds is the maximum number of feeds that one search at the server's root looks through.
const maxSearchedFeeds = 20

// searchAll looks for an event's id, a subject, or a subject and a time in the feeds that the client may
// read, by indexes only. If there is one feed, or all were searched and one of them has something, it
// redirects to the search in that feed, which shows what it has.
func (s *server) searchAll(w http.ResponseWriter, r *http.Request, explicit bool, text string) error {
	visible := s.visible(r)
	inFeed := func(name string) error {
		reference := "feeds/" + name + "?" + url.Values{"q": {text}}.Encode()
		if explicit {
			reference += "&format=" + htmlForm.name
		}
		return seeOther(w, reference)
	}
	if len(visible) == 1 {
		return inFeed(visible[0].Name)
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	found := &html.FoundInFeeds{Query: text, Of: len(visible)}
	if err := s.searchFeeds(r.Context(), visible[:min(len(visible), maxSearchedFeeds)], found); err != nil {
		return err
	}
	if only, is := onlyResult(found); is {
		return inFeed(only)
	}
	content, err := html.FoundInFeedsPage(found)
	if err != nil {
		return err
	}
	return s.serveView(w, r, &ask{explicit: explicit, representationKey: representationKey{coding: coding}}, content)
}

// onlyResult returns the name of the feed in which something was found, if it is the only one of all.
func onlyResult(found *html.FoundInFeeds) (name string, is bool) {
	for _, in := range found.Feeds {
		if in.Events == 0 && in.Versions == 0 {
			continue
		}
		if is {
			return "", false
		}
		name, is = in.Name, true
	}
	return name, is && len(found.Feeds) == found.Of
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
	subjects, words := []string{text}, text
	subject, _, _, isTime := splitTime(text, s.feed.Updated)
	if isTime {
		subjects, words = append(subjects, subject), subject // "3" of "o-1 3 May" is no subject
	}
	for i, subject := range append(subjects, similarTexts(words)...) {
		if in.Versions == 0 && strings.TrimSpace(subject) != "" && len(subject) <= event.MaxAttribute {
			in.Subject, in.IsPart, in.IsTime = subject, i > 0, i == 1 && isTime
			if in.Versions, err = s.published(ctx, subject); err != nil {
				return in, err
			}
		}
	}
	return in, nil
}
