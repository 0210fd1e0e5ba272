package server

import (
	"context"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/when"
)

// Bounds of the texts that are tried if a search finds nothing.
const (
	maxSimilarWords = 8
	maxSimilar      = 10 // that are shown
)

// bySimilar tries the words of a text that has found nothing, and other cases of them, as an id and,
// in a feed with entities, as a subject: by indexes only. A time in the text stays.
func (s searcher) bySimilar(ctx context.Context) error {
	text, at, _, isTime := splitTime(s.found.Query, s.feed.Updated)
	if !isTime {
		text = s.found.Query
	}
	if !s.found.IsEmpty() || s.found.Period != nil {
		return nil
	}
	if !isTime {
		for word := range strings.FieldsSeq(text) {
			if word = trimWord(word); when.LooksLikeDate(word) {
				s.found.Misread = word
			}
		}
	}
	for _, candidate := range similarTexts(text) {
		if candidate == s.found.Query || len(s.found.Similar) == maxSimilar {
			continue
		}
		similar := html.FoundSimilar{Text: candidate, Query: candidate}
		positions, err := s.withID(ctx, candidate)
		if err != nil {
			return err
		}
		similar.IsID = len(positions) > 0
		if s.feed.Entities && len(candidate) <= event.MaxAttribute {
			if similar.Events, err = s.published(ctx, candidate); err != nil {
				return err
			}
		}
		if isTime && similar.Events > 0 {
			similar.Query += " " + at
		}
		if similar.IsID || similar.Events > 0 {
			s.found.Similar = append(s.found.Similar, similar)
		}
	}
	return nil
}

// similarTexts returns a text and its first words, each in its own case, in lower and in upper case.
func similarTexts(text string) (texts []string) {
	words := strings.Fields(text)
	for _, candidate := range append([]string{text}, words[:min(len(words), maxSimilarWords)]...) {
		candidate = trimWord(candidate)
		for _, other := range []string{candidate, strings.ToLower(candidate), strings.ToUpper(candidate)} {
			if other != "" && !slices.Contains(texts, other) {
				texts = append(texts, other)
			}
		}
	}
	return texts
}

// trimWord cuts off what a sentence puts around a word.
func trimWord(word string) string { return strings.Trim(word, ",;:.?!\"'“”‘’«»()[]#") }
