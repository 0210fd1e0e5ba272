package seednats

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// parseRoute parses a route, and makes sure that its own text can be part of a subject.
func parseRoute(template string) (broker.Route, error) {
	route, err := broker.ParseRoute(template)
	if err != nil {
		return route, err
	}
	sample := broker.Message{Delivered: event.Delivered{Feed: "f", Placed: event.Placed{Event: event.Event{Type: "t", Subject: "s"}}}}
	subject := route.Of(&sample, encodeTokens)
	if !isSubject(subject) || strings.HasPrefix(subject, "$") || strings.HasPrefix(subject, "_INBOX.") {
		return route, fmt.Errorf("route %q: %q is not a subject of NATS to publish to: it has a space, a wildcard or an empty token, or begins with $ or _INBOX", template, subject)
	}
	return route, nil
}

// isSubject reports whether a message can be published to a subject.
func isSubject(subject string) bool {
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || token == "*" || token == ">" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return true
}

const hexDigits = "0123456789ABCDEF"

// encodeTokens writes the value of an attribute as tokens of a subject: none of them is empty, and
// different values stay different, but for the empty one and "_".
func encodeTokens(value string) string {
	if value == "" {
		return "_"
	}
	encode := func(i int) bool {
		c := value[i]
		if c == '.' {
			return i == 0 || i == len(value)-1 || value[i-1] == '.'
		}
		return !isAlphanumeric(c) && c != '-' && c != '_'
	}
	return percent(value, encode)
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// percent writes the bytes of a value as %XX for which encode returns true.
func percent(value string, encode func(i int) bool) string {
	first := 0
	for first < len(value) && !encode(first) {
		first++
	}
	if first == len(value) {
		return value
	}
	b := make([]byte, first, len(value)+32)
	copy(b, value)
	for i := first; i < len(value); i++ {
		if encode(i) {
			b = append(b, '%', hexDigits[value[i]>>4], hexDigits[value[i]&15])
		} else {
			b = append(b, value[i])
		}
	}
	return string(b)
}

// takes reports whether a stream with these subjects, which may have wildcards, takes a subject.
func takes(subjects []string, subject string) bool {
	for _, pattern := range subjects {
		if matches(pattern, subject) {
			return true
		}
	}
	return false
}

// matches reports whether a subject matches a pattern with the wildcards * and >.
func matches(pattern, subject string) bool {
	for {
		p, morePattern, patternGoesOn := strings.Cut(pattern, ".")
		s, moreSubject, subjectGoesOn := strings.Cut(subject, ".")
		if p == ">" {
			return true
		}
		if p != "*" && p != s || patternGoesOn != subjectGoesOn {
			return false
		}
		if !patternGoesOn {
			return true
		}
		pattern, subject = morePattern, moreSubject
	}
}

// wanted returns a pattern of the subjects that a feed's messages have, for a command: what is the
// same for all of them, and a wildcard.
func (l *log) wanted() string {
	const varies = "\x00"
	sample := broker.Message{Delivered: event.Delivered{Feed: l.feed.Name, Placed: event.Placed{Event: event.Event{Type: varies, Subject: varies}}}}
	subject := l.route.Of(&sample, func(value string) string {
		if value == varies {
			return varies
		}
		return encodeTokens(value)
	})
	fixed, _, found := strings.Cut(subject, varies)
	if !found {
		return subject
	}
	end := strings.LastIndexByte(fixed, '.')
	if end < 0 {
		return "SUBJECTS"
	}
	return fixed[:end] + ".>"
}
