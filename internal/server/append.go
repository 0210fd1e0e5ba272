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

// maxAppend bounds the body of a request that appends, in bytes: an event of the
// largest size is a third longer in Base64, and twice as long where JSON escapes all
// of its characters in the short way.
const maxAppend = 3 * event.MaxSize

// maxAppending is how many requests are in the database at once, so that there
// are connections left for all else; others wait.
const maxAppending = 4

// appendTimeout is how long the database may take for a request.
const appendTimeout = 30 * time.Second

// placeTimeout is how long a request that appends waits for its events'
// positions. Without a sequencer it is answered with 202 then.
const placeTimeout = 2 * time.Second

// appended is the answer to a request that appends: its events, in the order of
// the request.
type appended struct {
	Events []appendedEvent `json:"events"`
}

// appendedEvent says where an event is. Its URL is relative to the feed's.
type appendedEvent struct {
	ID       string `json:"id"`
	Source   string `json:"source"`
	Position int64  `json:"position,omitempty"` // left out if it has none yet
	URL      string `json:"url"`
}

// append takes CloudEvents into a feed: all of a request, or none of it. The
// same events again are no change, and have the same answer.
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

// take reads the events of a request and appends them. It returns them without their
// data: their client may take its time over the answer.
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

// insert appends the events of a request. Once all of it was read a client that
// goes away changes nothing any more.
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

// mayAppend returns the feed that a request may append to.
func (s *server) mayAppend(r *http.Request) (*feedstate.State, error) {
	// A page of another site must not make a browser append.
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

// positions waits until the events have their positions, and are in documents,
// or placeTimeout has passed; then some are 0.
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
		// From the feed's own URL, so that it is right below any path prefix.
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
	_, _ = w.Write(body) // who has gone may ask again
	return nil
}
