package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/when"
)

// shownFound is how many events of a subject the result of a search shows. A link leads to all.
const shownFound = 20

// search answers with all that a text can mean: an event's id, a subject, a position, a page, a time,
// or a subject and a time.
func (s *server) search(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error {
	v, _, err := s.subscriptions.at(r.Context(), a.feed, wantsFresh(r))
	if err != nil {
		return err
	}
	found := &html.Found{Document: v.document, Query: strings.TrimSpace(q.find)}
	err = s.searchLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
		search := searcher{log, f, found}
		for _, look := range []func(context.Context) error{search.byID, search.byPosition, search.byPage, search.byTime, search.bySubject} {
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
	if len(s.found.Query) > event.MaxID {
		return nil
	}
	positions, err := s.log.Find(ctx, s.feed.Key, "", s.found.Query)
	if err != nil {
		return err
	}
	for _, position := range positions[:min(len(positions), maxChoices)] {
		if position > s.feed.Published {
			break
		}
		events, err := s.at(ctx, position)
		if err != nil {
			return err
		}
		s.found.Events = append(s.found.Events, events...)
	}
	return nil
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
	s.found.Period = &html.FoundPeriod{Text: period.Text, First: first, Last: last}
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
	if len(s.found.Query) <= event.MaxAttribute {
		if s.found.Subject, err = s.of(ctx, s.found.Query, 1, s.feed.Published, shownFound); err != nil {
			return err
		}
	}
	if s.found.Subject != nil && s.found.Subject.Number > 0 {
		return nil
	}
	subject, period, is := splitTime(s.found.Query, s.feed.Updated)
	if !is || len(subject) > event.MaxAttribute {
		return nil
	}
	s.found.Subject, err = s.then(ctx, subject, period)
	return err
}

// maxThen is the maximum number of a subject's newest events whose own times are compared with a
// period. No index has these times.
const maxThen = 1000

// then returns the newest events of a subject that happened or were recorded in a period.
func (s searcher) then(ctx context.Context, subject string, period when.Period) (*html.FoundSubject, error) {
	first, last, err := s.within(ctx, period)
	if err != nil {
		return nil, err
	}
	recorded, err := s.of(ctx, subject, first, last, html.ShownRows)
	if err != nil {
		return nil, err
	}
	happened, err := s.of(ctx, subject, 1, s.feed.Published, maxThen)
	if err != nil {
		return nil, err
	}
	found := happened
	found.IsLeast = recorded.IsLeast || happened.IsLeast || int64(len(happened.Events)) < happened.Number
	events := recorded.Events
	for _, e := range happened.Events {
		isThen := !e.Time.Before(period.Start) && e.Time.Before(period.End)
		if isThen && !slices.ContainsFunc(events, func(other html.Listed) bool { return other.Position == e.Position }) {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b html.Listed) int { return cmp.Compare(b.Position, a.Position) })
	if len(events) > html.ShownRows {
		events, found.IsLeast = events[:html.ShownRows], true
	}
	found.Events, found.Number = events, int64(len(events))
	found.Within, found.Day = period.Phrase, period.Start.Format(time.DateOnly)
	return found, nil
}

// of returns the newest events of a subject, from position first to last.
func (s searcher) of(ctx context.Context, subject string, first, last int64, limit int) (*html.FoundSubject, error) {
	m, err := match(ctx, s.log, s.feed, first, last, store.Filter{Subject: subject}, limit)
	if err != nil {
		return nil, err
	}
	found := &html.FoundSubject{Subject: subject, Events: m.events, Number: int64(len(m.events)), IsLeast: m.from > first}
	switch {
	case s.feed.Entities && first == 1 && last == s.feed.Published:
		found.Number, found.IsLeast = m.version, false
	case !s.feed.Entities && last >= first:
		found.From, found.To = m.from, last
	}
	if s.feed.Entities {
		version, err := s.log.EntityVersion(ctx, s.feed.Key, subject)
		if err != nil {
			return nil, err
		}
		if version > 0 {
			found.Entity = feed.EntityPath(s.feed.Name, subject)
		}
	}
	return found, nil
}

// maxTimeWords is the maximum number of words of a time: as in "3 May 2026 14:00 UTC".
const maxTimeWords = 5

// splitTime splits a text into a subject and a time, which come in any order. The time is the longest
// that there is.
func splitTime(text string, newest time.Time) (subject string, period when.Period, is bool) {
	words := strings.Fields(text)
	for n := min(maxTimeWords, len(words)-1); n > 0; n-- {
		for _, at := range []int{len(words) - n, 0} {
			period, is := when.Parse(strings.Join(words[at:at+n], " "), newest)
			if !is {
				continue
			}
			rest := append(append([]string{}, words[:at]...), words[at+n:]...)
			subject := strings.TrimSuffix(strings.TrimSuffix(strings.Join(rest, " "), " on"), ",")
			return subject, period, true
		}
	}
	return "", when.Period{}, false
}
