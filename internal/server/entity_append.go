package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/store"
)

// appendToEntity appends the CloudEvents of a request to an entity: all or none. If the request has a
// condition that the entity does not meet, it appends nothing. Events that are in the feed already
// need no condition, so that repeating a request returns the same result.
func (s *server) appendToEntity(w http.ResponseWriter, r *http.Request) error {
	state, err := s.mayAppend(r)
	if err != nil {
		return err
	}
	subject, moved, err := entityNamed(w, r)
	if err != nil || moved {
		return err
	}
	mayRead := grant(r).MayRead(state.Name)
	if isConditional(r.Header) && !mayRead {
		return errNotReadable()
	}
	conditions, err := entityConditions(r.Header)
	if err != nil {
		return err
	}
	if !state.Entities || state.Held {
		if state, err = s.look(r.Context(), state.Name); err != nil {
			return err
		}
	}
	switch {
	case !state.Entities:
		return errNoEntities(state.Name)
	case state.Held && isConditional(r.Header):
		return refuse(http.StatusConflict, fmt.Sprintf("feed %s is held, so its events have no positions, and no state of an entity is published that a condition could name; open it with: feedserver open %s", state.Name, state.Name))
	}
	var version int64
	var added int
	events, err := s.take(w, r, func(ctx context.Context, events []event.Event) (int, error) {
		if err := setSubjects(events, subject); err != nil {
			return 0, err
		}
		added, version, err = s.appendIf(ctx, state.Name, subject, conditions, events)
		return added, err
	})
	if changed, ok := errors.AsType[*store.ChangedError](err); ok {
		return s.errCondition(r.Context(), state.Name, subject, changed.Version)
	}
	if err != nil {
		return refusal(w, events, err)
	}
	positions, err := s.positions(r.Context(), state.Name, events)
	if err != nil {
		return err
	}
	answer := newAppended("../events/", state.Name, events, positions)
	if added < len(events) {
		version = 0 // unless it is found by the position of the last event
	}
	if mayRead {
		err = s.setEntityState(r.Context(), state.Name, subject, version, positions, answer)
	}
	if err != nil {
		return err
	}
	return s.answerAppend(w, r, answer)
}

// errNotReadable is the error of a conditional request of a client that may not read: whatever the
// answer, it would tell the state of the entity.
func errNotReadable() error {
	return &challenge{http.StatusForbidden, fmt.Errorf("%w; whether a condition is met tells the state of an entity: send the events without If-Match and If-None-Match, or have the operator add the feed to the feeds that the token may read; nothing of the request was appended", access.ErrNotReadable)}
}

// setSubjects sets the subject of events without one. It returns an error if one has another subject.
func setSubjects(events []event.Event, subject string) error {
	for i := range events {
		e := &events[i]
		if e.Subject == "" {
			e.Subject = subject
		}
		if e.Subject != subject {
			return &statusError{
				status: http.StatusUnprocessableEntity,
				detail: fmt.Sprintf("number %d of the request: event %q has the subject %s, and this URL is that of %s; send it to the URL of its entity, or of the feed; nothing of the request was appended", i+1, e.ID, quote(e.Subject), quote(subject)),
				event:  &offender{Number: i + 1, ID: e.ID, Source: e.Source},
			}
		}
	}
	return nil
}

// isConditional reports whether a request has a condition.
func isConditional(header http.Header) bool {
	return header.Values("If-Match") != nil || header.Values("If-None-Match") != nil
}

// never is a version that no entity has.
const never = math.MaxInt64

// entityConditions returns the conditions of a request, of which one must be met, RFC 9110 sections
// 13.1.1 and 13.1.2. A tag in If-Match is an ETag of the entity in any form and coding, or its version
// in quotes. Weak tags, and those of others, match nothing.
func entityConditions(header http.Header) (conditions []store.EntityCondition, err error) {
	for _, field := range []string{"If-Match", "If-None-Match"} {
		if err := checkTags(header, field); err != nil {
			return nil, err
		}
	}
	match, none := header.Values("If-Match") != nil, header.Values("If-None-Match") != nil
	switch {
	case match && none:
		return nil, refuse(http.StatusBadRequest, "this request has both If-Match and If-None-Match; send one of them")
	case none:
		if tags := entityTags(header, "If-None-Match"); len(tags) != 1 || tags[0] != "*" {
			return nil, refuse(http.StatusBadRequest, "with this method If-None-Match can only be *, for an entity that has no events yet; for a version send If-Match")
		}
		return []store.EntityCondition{{Expected: true}}, nil
	case !match:
		return []store.EntityCondition{{}}, nil
	}
	tags := entityTags(header, "If-Match")
	if len(tags) == 1 && tags[0] == "*" {
		return []store.EntityCondition{{Exists: true}}, nil
	}
	for _, tag := range tags {
		if t, ours := parseEntityTag(tag); ours {
			conditions = addTag(conditions, t)
		}
	}
	if len(conditions) == 0 {
		conditions = []store.EntityCondition{{Expected: true, Version: never}}
	}
	return conditions, nil
}

// addTag adds the condition of a tag: there is one for each version.
func addTag(conditions []store.EntityCondition, t entityTag) []store.EntityCondition {
	i := slices.IndexFunc(conditions, func(c store.EntityCondition) bool { return c.Version == t.version })
	switch {
	case i < 0 && t.digest == "":
		return append(conditions, store.EntityCondition{Expected: true, Version: t.version})
	case i < 0:
		return append(conditions, store.EntityCondition{Expected: true, Version: t.version, Digests: []string{t.digest}})
	case t.digest == "":
		conditions[i].Digests = nil // any
	case conditions[i].Digests != nil:
		conditions[i].Digests = append(conditions[i].Digests, t.digest)
	}
	return conditions
}

// appendIf appends events if one of the conditions is met.
func (s *server) appendIf(ctx context.Context, name, subject string, conditions []store.EntityCondition, events []event.Event) (added int, version int64, err error) {
	if len(events) == 0 {
		return 0, 0, nil
	}
	for i := 0; ; {
		added, version, err = s.Log.AppendToEntity(ctx, name, subject, conditions[i], events)
		changed, ok := errors.AsType[*store.ChangedError](err)
		if !ok {
			return added, version, err
		}
		// There is one condition for each version, so the loop ends, unless the entity changes.
		other := slices.IndexFunc(conditions, func(c store.EntityCondition) bool { return c.Expected && c.Version == changed.Version })
		if other < 0 || other == i || ctx.Err() != nil {
			return 0, 0, err
		}
		i = other
	}
}

// conditionError is the error of a request whose condition the entity does not meet.
type conditionError struct {
	version int64
	tag     string // ETag of the entity's Atom document; empty if it is not known
	subject string
}

func (e *conditionError) Error() string {
	if e.version == 0 {
		return quote(e.subject) + " has no events, which is version 0; nothing of the request was appended. For a new entity send If-None-Match: *"
	}
	return fmt.Sprintf("%s is at version %d, which is not what the request requires; nothing of the request was appended. Load the entity, decide again, and send If-Match with its ETag", quote(e.subject), e.version)
}

// errCondition names the version that an entity has, and its ETag.
func (s *server) errCondition(ctx context.Context, name, subject string, version int64) error {
	failed := &conditionError{version: version, subject: subject}
	at, err := s.readEntityEnd(ctx, name, subject)
	if err == nil && at.end.Version == version && version > 0 {
		failed.tag = at.tag(&entityKey{form: entityAtomForm})
	}
	return failed
}

// setEntityState adds to an answer the version that the entity had after the last event of the
// request, and the ETag of its Atom document then, if all events are published. A version of 0 is not
// known.
func (s *server) setEntityState(ctx context.Context, name, subject string, version int64, positions []int64, answer *appended) error {
	answer.Version = version
	if len(positions) == 0 || slices.Contains(positions, 0) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.Log.ReadFeed(ctx, name, func(log store.Snapshot, f *store.Feed) error {
		last := slices.Max(positions)
		if version == 0 {
			newest, err := log.EntityVersion(ctx, f.Key, subject)
			if err == nil {
				version, err = store.VersionAt(ctx, log, f.Key, subject, newest, last)
			}
			if err != nil {
				return err
			}
		}
		place, err := log.EntityPlace(ctx, f.Key, subject, version)
		if err != nil || place.Position != last || last > f.Published {
			return err
		}
		at := entityAt{feed: f, subject: subject, end: store.EntityEnd{EntityPlace: place}}
		answer.Version, answer.ETag = version, at.tag(&entityKey{form: entityAtomForm})
		return nil
	})
}
