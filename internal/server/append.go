package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/ingest"
)

// maxAppend is the maximum size of the body of a request that appends, in bytes. An event of the
// largest size is a third longer in Base64, and twice as long if JSON escapes each of its characters
// with a backslash.
const maxAppend = 3 * event.MaxSize

// maxAppending is how many requests append to the database at once; others wait. It leaves connections
// for other work.
const maxAppending = 4

// appendTimeout is the timeout of the database for a request that appends.
const appendTimeout = 30 * time.Second

// placeTimeout is how long a request that appends waits for the positions of its events. After that it
// is answered with 202, for example if no sequencer runs.
const placeTimeout = 2 * time.Second

// appended is the answer to a request that appends: its events, in the order of the request.
type appended struct {
	Events  []appendedEvent `json:"events"`
	Version int64           `json:"version,omitempty"` // of the entity after the last event, if the request is to an entity's URL
	ETag    string          `json:"etag,omitempty"`    // of the entity's Atom document then
}

// appendedEvent is an event's position and URL. The URL is relative to the request's.
type appendedEvent struct {
	ID       string `json:"id"`
	Source   string `json:"source"`
	Position int64  `json:"position,omitempty"` // omitted if it has none yet
	URL      string `json:"url"`
}

// append appends the CloudEvents of a request to a feed: all or none. Repeating a request changes
// nothing and returns the same result.
func (s *server) append(w http.ResponseWriter, r *http.Request) error {
	state, err := s.mayAppend(r)
	if err != nil {
		return err
	}
	if isConditional(r.Header) || r.Header.Values("If-Unmodified-Since") != nil {
		return refuse(http.StatusBadRequest, "a feed takes events unconditionally; If-Match and If-None-Match are for one entity: send its events to /feeds/"+state.Name+"/entities/SUBJECT; nothing of the request was appended")
	}
	events, err := s.take(w, r, func(ctx context.Context, events []event.Event) (int, error) {
		return s.Log.Append(ctx, state.Name, events)
	})
	if err != nil {
		return refusal(w, events, err)
	}
	positions, err := s.positions(r.Context(), state.Name, events)
	if err != nil {
		return err
	}
	return s.answerAppend(w, r, newAppended(state.Name+"/events/", state.Name, events, positions))
}

// take reads the events of a request and appends them by insert. It returns them without their data, because a
// slow client would keep the data in memory during the answer.
func (s *server) take(w http.ResponseWriter, r *http.Request, insert func(context.Context, []event.Event) (added int, err error)) ([]event.Event, error) {
	done := new(cleanup)
	defer done.run()
	events, err := ingest.ParseRequest(r.Header, func() ([]byte, error) { return s.read(w, r, done) })
	if err == nil {
		err = s.insert(r.Context(), events, insert)
	}
	for i := range events {
		events[i] = event.Event{ID: events[i].ID, Source: events[i].Source}
	}
	return events, err
}

// insert appends the events of a request. The request was read completely, so the append continues even
// if the client disconnects.
func (s *server) insert(ctx context.Context, events []event.Event, insert func(context.Context, []event.Event) (added int, err error)) error {
	select {
	case s.appending <- struct{}{}:
		defer func() { <-s.appending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	added, err := insert(ctx, events)
	s.Metrics.Appended.Add(float64(added))
	return err
}

// mayAppend returns the feed of a request that appends, if the client may append to it.
func (s *server) mayAppend(r *http.Request) (*feedstate.State, error) {
	// A page of another origin must not make a browser append.
	if err := s.crossOrigin.Check(r); err != nil {
		return nil, refuse(http.StatusForbidden, "this request comes from a page of another origin")
	}
	name := feedName(r)
	switch caller := grant(r); {
	case caller.MayAppend(name):
		return s.state(r.Context(), name)
	case caller.MayRead(name):
		return nil, &challenge{http.StatusForbidden, access.ErrNotGranted}
	default:
		return nil, feedstate.NoFeed(name)
	}
}

// positions waits until all events have positions and are in documents, at most for placeTimeout, and
// returns the positions. The position of an event without one is 0.
func (s *server) positions(ctx context.Context, name string, events []event.Event) ([]int64, error) {
	timeout := time.NewTimer(placeTimeout)
	defer timeout.Stop()
	for {
		state, err := s.Feeds.Get(name)
		if err != nil {
			return nil, err
		}
		positions, err := s.Log.Placed(ctx, state.Key, events)
		if err != nil {
			return nil, err
		}
		if allShown(positions, state.Published) || !s.changes(ctx, state.Changed(), timeout.C) {
			return positions, ctx.Err()
		}
	}
}

func allShown(positions []int64, published int64) bool {
	for _, position := range positions {
		if position == 0 || position > published {
			return false
		}
	}
	return true
}

// newAppended returns the answer to a request. folder is the reference to the events of the feed.
func newAppended(folder, name string, events []event.Event, positions []int64) *appended {
	answer := &appended{Events: make([]appendedEvent, len(events))}
	for i := range events {
		e := &events[i]
		// Relative, so that it is right below any path prefix.
		_, reference, _ := strings.Cut(feed.EventPath(name, e.Source, e.ID), "/events/")
		answer.Events[i] = appendedEvent{ID: e.ID, Source: e.Source, Position: positions[i], URL: folder + reference}
	}
	return answer
}

func (s *server) answerAppend(w http.ResponseWriter, r *http.Request, answer *appended) error {
	status := http.StatusCreated
	if len(answer.Events) == 0 {
		status = http.StatusOK
	}
	if slices.ContainsFunc(answer.Events, func(e appendedEvent) bool { return e.Position == 0 }) {
		status = http.StatusAccepted
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	body, release, err := s.hold(r, append(body, '\n'))
	if err != nil {
		return err
	}
	defer release()
	header := w.Header()
	if len(answer.Events) == 1 && status == http.StatusCreated {
		header.Set("Location", answer.Events[0].URL)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has disconnected may repeat its request
	return nil
}
