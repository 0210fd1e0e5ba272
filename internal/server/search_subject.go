package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/when"
)

// published returns the number of published events of an entity; 0 if there is none.
func (s searcher) published(ctx context.Context, subject string) (int64, error) {
	newest, err := s.log.EntityVersion(ctx, s.feed.Key, subject)
	if err != nil || newest == 0 {
		return 0, err
	}
	return store.VersionAt(ctx, s.log, s.feed.Key, subject, newest, s.feed.Published)
}

// entity looks for the events of an entity in a period, or at any time for nil.
func (s searcher) entity(ctx context.Context, subject string, period *when.Period) (*html.FoundSubject, error) {
	found := &html.FoundSubject{Subject: subject, Period: period}
	end, err := s.published(ctx, subject)
	if err != nil || end == 0 {
		return found, err
	}
	found.Entity, found.Of, found.Number = feed.EntityPath(s.feed.Name, subject), end, end
	shown := upTo(end)
	if period != nil {
		if shown, err = s.versionsIn(ctx, found, period); err != nil {
			return nil, err
		}
	}
	found.Versions, err = history{s.log, s.feed, subject}.versions(ctx, shown)
	return found, err
}

// versionsIn returns the newest of an entity's versions that happened or were recorded in a period, in
// order, and sets how many there are.
func (s searcher) versionsIn(ctx context.Context, found *html.FoundSubject, period *when.Period) ([]int64, error) {
	first, last, err := s.within(ctx, *period)
	if err != nil {
		return nil, err
	}
	// The versions that were recorded in the period are from before+1 to until.
	until, err := store.VersionAt(ctx, s.log, s.feed.Key, found.Subject, found.Of, last)
	if err != nil {
		return nil, err
	}
	before, err := store.VersionAt(ctx, s.log, s.feed.Key, found.Subject, until, first-1)
	if err != nil {
		return nil, err
	}
	happened, err := store.ReadEntityPeriod(ctx, s.log, s.feed, found.Subject, found.Of, period.Start, period.End)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(happened.Versions, func(version int64) bool { return before < version && version <= until })
	found.Number, found.IsLeast = until-before+int64(len(others)), happened.IsLeast
	versions := others
	for version := max(before+1, until-html.ShownRows+1); version <= until; version++ {
		versions = append(versions, version)
	}
	slices.Sort(versions)
	return newest(versions), nil
}

// maxThen is the maximum number of a subject's newest events whose own times are compared with a
// period in a feed without entities. No index has these times.
const maxThen = 1000

// then returns the newest events of a subject that happened or were recorded in a period, in a feed
// without entities.
func (s searcher) then(ctx context.Context, subject string, period *when.Period) (*html.FoundSubject, error) {
	first, last, err := s.within(ctx, *period)
	if err != nil {
		return nil, err
	}
	recorded, err := s.of(ctx, subject, first, last, html.ShownRows)
	if err != nil {
		return nil, err
	}
	found, err := s.of(ctx, subject, 1, s.feed.Published, maxThen)
	if err != nil {
		return nil, err
	}
	events := recorded.Events
	for _, e := range found.Events {
		isThen := !e.Time.Before(period.Start) && e.Time.Before(period.End)
		if isThen && !slices.ContainsFunc(events, func(other html.Listed) bool { return other.Position == e.Position }) {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b html.Listed) int { return cmp.Compare(b.Position, a.Position) })
	found.IsLeast = recorded.IsLeast || found.IsLeast
	if len(events) > html.ShownRows {
		events, found.IsLeast = events[:html.ShownRows], true
	}
	found.Events, found.Number, found.Period = events, int64(len(events)), period
	return found, nil
}

// of returns the newest events of a subject, from position first to last, in a feed without entities.
func (s searcher) of(ctx context.Context, subject string, first, last int64, limit int) (*html.FoundSubject, error) {
	m, err := match(ctx, s.log, s.feed, first, last, store.Filter{Subject: subject}, limit)
	if err != nil {
		return nil, err
	}
	found := &html.FoundSubject{Subject: subject, Events: m.events, Number: int64(len(m.events)), IsLeast: m.from > first}
	if last >= first {
		found.From, found.To = m.from, last
	}
	return found, nil
}

// maxTimeWords is the maximum number of words of a time: as in "3 May 2026 14:00 UTC".
const maxTimeWords = 5

// splitTime splits a text into a subject and a time, which come in any order. The time is the longest
// that there is.
func splitTime(text string, newest time.Time) (subject, at string, period when.Period, is bool) {
	words := strings.Fields(text)
	for n := min(maxTimeWords, len(words)-1); n > 0; n-- {
		for _, first := range []int{len(words) - n, 0} {
			at := strings.Join(words[first:first+n], " ")
			period, is := when.Parse(at, newest)
			if !is {
				continue
			}
			rest := append(append([]string{}, words[:first]...), words[first+n:]...)
			subject := strings.TrimSuffix(strings.TrimSuffix(strings.Join(rest, " "), " on"), ",")
			return subject, at, period, true
		}
	}
	return "", "", when.Period{}, false
}
