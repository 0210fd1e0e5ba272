package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
)

// heartbeat is how often a stream sends a comment, because proxies cut connections that are silent
// for about a minute.
const heartbeat = 15 * time.Second

// writeTimeout is how long a client may take to read a piece of a stream.
const writeTimeout = 30 * time.Second

// stream sends new events of a feed as server-sent events (HTML standard, section 9.2). The id of
// each is its position. A client that reconnects with its last id gets the events after it; any
// other client starts at the feed's end.
func (s *server) stream(w http.ResponseWriter, r *http.Request) error {
	state, err := s.feed(r)
	if err != nil {
		return err
	}
	seen, isSeen := lastSeen(r)
	if isSeen && seen > state.Published { // from a server whose state is newer
		if state, err = s.look(r.Context(), state.Name); err != nil {
			return err
		}
	}
	if !isSeen || seen > state.Published {
		seen = state.Published
	}
	header := w.Header()
	header.Set("Content-Type", streamType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return nil
	}
	defer observe.Streaming(r.Context())()
	out := &eventStream{w: w, control: http.NewResponseController(w), position: seen}
	if !isBrowser(r) {
		out.visit = s.visit(r, state.Name)
		out.visit.Wait(state.Epoch(), seen)
		defer out.visit.Resume()
	}
	if err := out.send([]byte("retry: 1000\n\n")); err != nil {
		return nil // the client has gone
	}
	s.follow(r, state.Name, out)
	return nil
}

// lastSeen returns the position that a client has seen last, if the request has one. EventSource
// sends it in the header when it reconnects; a page that has events already sends it in the query.
func lastSeen(r *http.Request) (position int64, is bool) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("lastEventId")
	}
	position, err := strconv.ParseInt(last, 10, 64)
	return position, err == nil && position >= 0
}

// follow sends new events until the client disconnects or loses its grant, or the server stops.
func (s *server) follow(r *http.Request, name string, out *eventStream) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		grantsChanged := s.grantsChanged()
		if s.stillMayRead(r) != nil {
			return
		}
		v, next, err := s.subscriptions.at(r.Context(), name, false)
		if err != nil {
			return // the client reconnects, and the database may be available by then
		}
		epoch := v.feed.Epoch() // not later: v would stay in memory until a slow client has read
		more, err := s.sendNew(r, v, out)
		if err != nil {
			return
		}
		out.visit.At(epoch, out.position)
		if more && !s.isClosing() {
			continue
		}
		select {
		case <-next:
		case <-grantsChanged:
		case <-beat.C:
			if out.send([]byte(":\n\n")) != nil {
				return
			}
			out.visit.Seen()
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
}

// The limits of one read for a client that lags behind the subscription document.
const (
	catchUpEvents = 50
	catchUpBytes  = 256 << 10
)

// errEnough ends a read at a limit.
var errEnough = errors.New("enough for now")

// sendNew sends events after the stream's position, and reports whether there are more. It uses
// nothing of v while it sends, so that a slow client does not keep a replaced version in memory.
func (s *server) sendNew(r *http.Request, v *version, out *eventStream) (more bool, err error) {
	d := v.document
	if out.position > d.Last {
		out.position = d.Last // history was lost, and continues from there
	}
	if out.position < d.First-1 {
		batch, err := s.readOld(r.Context(), v.feed, d.First-1, out)
		if err != nil {
			return false, err
		}
		return true, s.sendBatch(r, out, batch)
	}
	if out.position == d.Last {
		return false, nil
	}
	batch, err := v.representation(representationKey{form: messages, coding: identityCoding, isDelta: true, since: out.position})
	if err != nil {
		return false, err
	}
	out.position = d.Last
	return false, s.sendBatch(r, out, batch.content)
}

// sendBatch sends a piece of a stream. It returns an error, which ends the stream, if the client or
// all clients together are receiving too much already. The client reconnects a second later and
// resumes.
func (s *server) sendBatch(r *http.Request, out *eventStream, batch []byte) error {
	batch, release, err := s.hold(r, batch)
	if err != nil {
		return err
	}
	defer release()
	return out.send(batch)
}

// messages is the form of the events in streams. It is made once for all streams at the same position.
var messages = &form{name: "messages", mediaType: streamType, document: func(d *feed.Document, _ string) (batch []byte, err error) {
	for i := range d.Entries {
		batch = appendMessage(batch, &d.Entries[i])
	}
	return batch, nil
}}

const streamType = "text/event-stream"

// readOld reads events after the stream's position from the log, up to last, and moves the
// position. It returns an error if the feed's history has changed.
func (s *server) readOld(ctx context.Context, of *store.Feed, last int64, out *eventStream) (batch []byte, err error) {
	if err := reachable(s.Feeds); err != nil {
		return nil, err
	}
	leave, err := s.reading.enter(ctx, eventRoom)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	position := min(out.position+catchUpEvents, last)
	err = s.Log.ReadFeed(ctx, of.Name, func(log store.Snapshot, f *store.Feed) error {
		if f.ID != of.ID || !slices.Equal(f.Epochs, of.Epochs) {
			return errors.New("the feed's history was replaced")
		}
		return log.Rows(ctx, f.Key, out.position+1, position, func(row *store.Row) error {
			batch = appendMessage(batch, &row.Placed)
			if len(batch) >= catchUpBytes {
				position = row.Position
				return errEnough
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	out.position = position
	return batch, nil
}

func appendMessage(b []byte, e *event.Placed) []byte {
	b = fmt.Appendf(b, "id: %d\ndata: ", e.Position)
	b = cloudevents.AppendPlacedJSON(b, e)
	return append(b, "\n\n"...)
}

// eventStream is one client's stream.
type eventStream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	position int64 // last position sent
	visit    readers.Visit
}

func (s *eventStream) send(text []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
