package server

import (
	"context"
	"encoding/json"
	"net/http"
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
	Events []appendedEvent `json:"events"`
}

// appendedEvent is an event's position and URL. The URL is relative to the feed's.
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
	events, err := s.take(w, r, state.Name)
	if err != nil {
		return refusal(w, events, err)
	}
	positions, err := s.positions(r.Context(), state.Name, events)
	if err != nil {
		return err
	}
	return s.answerAppend(w, r, state.Name, events, positions)
}

// take reads the events of a request and appends them. It returns them without their data, because a
// slow client would keep the data in memory during the answer.
func (s *server) take(w http.ResponseWriter, r *http.Request, name string) ([]event.Event, error) {
	done := new(cleanup)
	defer done.run()
	events, err := ingest.ParseRequest(r.Header, func() ([]byte, error) { return s.read(w, r, done) })
	if err == nil {
		err = s.insert(r.Context(), name, events)
	}
	for i := range events {
		events[i] = event.Event{ID: events[i].ID, Source: events[i].Source}
	}
	return events, err
}

// insert appends the events of a request. The request was read completely, so the append continues even
// if the client disconnects.
func (s *server) insert(ctx context.Context, name string, events []event.Event) error {
	select {
	case s.appending <- struct{}{}:
		defer func() { <-s.appending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	added, err := s.Log.Append(ctx, name, events)
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

func (s *server) answerAppend(w http.ResponseWriter, r *http.Request, name string, events []event.Event, positions []int64) error {
	status := http.StatusCreated
	if len(events) == 0 {
		status = http.StatusOK
	}
	answer := appended{Events: make([]appendedEvent, len(events))}
	for i := range events {
		e := &events[i]
		// Relative to the feed's URL, so that it is right below any path prefix.
		answer.Events[i] = appendedEvent{ID: e.ID, Source: e.Source, Position: positions[i], URL: feed.EventPath(name, e.Source, e.ID)[len("/feeds/"):]}
		if positions[i] == 0 {
			status = http.StatusAccepted
		}
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
	if len(events) == 1 && status == http.StatusCreated {
		header.Set("Location", answer.Events[0].URL)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has disconnected may repeat its request
	return nil
}
