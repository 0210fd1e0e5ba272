package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/when"
)

// search answers with all that a text can mean: an event's id, a subject, a position, a page, a time,
// or a subject and a time.
func (s *server) search(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error {
	v, _, err := s.subscriptions.at(r.Context(), a.feed, wantsFresh(r))
	if err != nil {
		return err
	}
	found := &html.Found{Document: v.document, Query: strings.TrimSpace(q.find)}
	err = s.searchLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
		search := searcher{log: log, feed: f, found: found}
		for _, look := range []func(context.Context) error{search.byID, search.byPosition, search.byPage, search.byTime, search.bySubject, search.byType, search.bySimilar} {
			if err := look(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	content, err := html.FoundPageOf(found)
	if err != nil {
		return err
	}
	return s.serveView(w, r, a, content)
}

// searcher collects what a text means in a feed.
type searcher struct {
	log   store.Snapshot
	feed  *store.Feed
	found *html.Found
}

// at returns the event at a position.
func (s searcher) at(ctx context.Context, position int64) ([]html.Listed, error) {
	return listed(func(yield func(*store.ListedEvent) error) error {
		return s.log.List(ctx, s.feed.Key, position, position, store.Filter{}, 1, yield)
	})
}

func (s searcher) byID(ctx context.Context) error {
	positions, err := s.withID(ctx, s.found.Query)
	if err != nil {
		return err
	}
	for _, position := range positions[:min(len(positions), maxChoices)] {
		events, err := s.at(ctx, position)
		if err != nil {
			return err
		}
		s.found.Events = append(s.found.Events, events...)
	}
	return nil
}

// withID returns the published positions of the events with an id, in order.
func (s searcher) withID(ctx context.Context, id string) ([]int64, error) {
	if len(id) > event.MaxID {
		return nil, nil
	}
	positions, err := s.log.Find(ctx, s.feed.Key, "", id)
	return slices.DeleteFunc(positions, func(position int64) bool { return position > s.feed.Published }), err
}

// afterWord returns what comes after a word, or all of a text that does not begin with it.
func afterWord(text, word string) (rest string, found bool) {
	if len(text) > len(word) && strings.EqualFold(text[:len(word)], word) {
		return strings.TrimSpace(text[len(word):]), true
	}
	return text, false
}

func (s searcher) byPosition(ctx context.Context) (err error) {
	text, _ := afterWord(strings.TrimPrefix(s.found.Query, "#"), "position ")
	position, is := numberOf(text)
	s.found.IsNumber = is
	if !is || position > s.feed.Published {
		return nil
	}
	events, err := s.at(ctx, position)
	if len(events) == 1 {
		s.found.Position = &events[0]
	}
	return err
}

func (s searcher) byPage(context.Context) error {
	if text, is := afterWord(s.found.Query, "page "); is {
		if number, is := numberOf(text); is {
			s.found.Page = &html.FoundPage{Number: number, Exists: number <= s.feed.Archives+1}
		}
	}
	return nil
}

func (s searcher) byTime(ctx context.Context) error {
	period, is := when.Parse(s.found.Query, s.feed.Updated)
	if !is {
		return nil
	}
	first, last, err := s.within(ctx, period)
	if err != nil {
		return err
	}
	s.found.Period = &html.FoundPeriod{Period: period, First: first, Last: last}
	if first > s.feed.Published {
		return nil
	}
	s.found.Period.Later = first
	s.found.Period.LaterAt, err = s.log.RecordedAt(ctx, s.feed.Key, first)
	return err
}

// within returns the positions of the events that were recorded in a period; there is none if first
// is after last.
func (s searcher) within(ctx context.Context, period when.Period) (first, last int64, err error) {
	if first, err = store.FirstRecorded(ctx, s.log, s.feed.Key, s.feed.Published, period.Start); err != nil {
		return 0, 0, err
	}
	after, err := store.FirstRecorded(ctx, s.log, s.feed.Key, s.feed.Published, period.End)
	return first, after - 1, err
}

// bySubject looks for the events of the subject that is the whole text. If there is none, and a part
// of the text is a time, it looks for the events of the rest in that time.
func (s searcher) bySubject(ctx context.Context) (err error) {
	if s.found.Subject, err = s.subject(ctx, s.found.Query, nil); err != nil || s.found.Subject != nil && s.found.Subject.Number > 0 {
		return err
	}
	if subject, _, period, is := splitTime(s.found.Query, s.feed.Updated); is && s.found.Period == nil {
		s.found.Subject, err = s.subject(ctx, subject, &period)
	}
	return err
}

// subject looks for the events of a subject in a period, or at any time for nil. It returns nil for a
// text that is too long to be a subject.
func (s searcher) subject(ctx context.Context, subject string, period *when.Period) (*html.FoundSubject, error) {
	switch {
	case len(subject) > event.MaxAttribute:
		return nil, nil
	case s.feed.Entities:
		return s.entity(ctx, subject, period)
	case period != nil:
		return s.then(ctx, subject, period)
	default:
		return s.of(ctx, subject, 1, s.feed.Published, html.ShownRows)
	}
}

// byType reports whether the text is a type.
func (s searcher) byType(ctx context.Context) (err error) {
	for i := range s.found.Document.Entries {
		if s.found.Document.Entries[i].Type == s.found.Query {
			s.found.IsType = true
			return nil
		}
	}
	s.found.IsType, err = s.log.HasType(ctx, s.feed.Key, s.found.Query)
	return err
}
