package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/render"
	"github.com/eventfeed/eventfeed/internal/store"
)

// The forms of a single event.
var (
	entryForm      = &form{name: "atom", mediaType: feed.ContentType + ";type=entry", also: []string{"application/xml", "text/xml"}}
	cloudEventForm = &form{name: "cloudevents", mediaType: render.EventType, also: []string{"application/json"}}
)

// event answers with one event, by its id, and by its source if several events have the id.
func (s *server) event(w http.ResponseWriter, r *http.Request) error {
	state, err := s.feed(r)
	if err != nil {
		return err
	}
	if id := mux.Vars(r)["id"]; strings.Contains(id, "/") {
		redirectToQuery(w, r, id)
		return nil
	}
	chosen, explicit, err := chooseForm(r, eventForms)
	if err == nil {
		err = checkParameters(r, chosen, eventParameters)
	}
	if err != nil {
		return err
	}
	if err := reachable(s.Feeds); err != nil {
		return err
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	key := eventKeyOf(r, state, chosen, coding)
	err = checkAttribute("id", key.id, event.MaxID)
	if err == nil {
		err = checkAttribute("source", key.source, event.MaxAttribute)
	}
	if err != nil {
		return err
	}
	e, err := s.eventRepresentation(r, state, key)
	if err != nil {
		return err
	}
	linkAlternates(w.Header(), r, eventForms, chosen)
	w.Header().Set("Vary", s.vary(explicit))
	lifetime := pageLifetime
	if chosen == htmlForm {
		lifetime = subscriptionLifetime // it links to the next event
	}
	w.Header().Set("Cache-Control", lifetime.cacheControl(s.scope()))
	return s.serve(w, r, e)
}

// eventKey is the key of an event in one form and one coding in the cache.
type eventKey struct {
	feed, title string // the feed's id and title
	history     int64  // that of the state, see feedstate.State
	id, source  string
	form        *form
	coding      string

	// Only of HTML pages, which link to the next event, and show how many versions an entity has.
	published int64
	entities  bool // the feed has entities
}

func eventKeyOf(r *http.Request, state *feedstate.State, form *form, coding string) eventKey {
	id, source := eventNamed(r)
	key := eventKey{feed: state.ID, title: state.Title, history: state.History, id: id, source: source, form: form, coding: coding}
	if form == htmlForm {
		key.published, key.entities = state.Published, state.Entities
	}
	return key
}

// eventRepresentation returns an event's representation from the cache. Otherwise it reads the
// event when there is room, once for all requests that ask for it at the same time.
func (s *server) eventRepresentation(r *http.Request, state *feedstate.State, key eventKey) (*representation, error) {
	if !s.events.Has(key) {
		leave, err := s.reading.enter(r.Context(), eventRoom)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return s.events.Get(r.Context(), key, func(ctx context.Context) (e *representation, err error) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		err = s.Log.ReadFeed(ctx, state.Name, func(log store.Snapshot, f *store.Feed) error {
			position, err := find(ctx, key.id, key.source, log, f)
			if err != nil {
				return err
			}
			page := &html.Event{Feed: f.Name, Title: f.Title}
			err = log.Rows(ctx, f.Key, position, position, func(row *store.Row) error {
				page.Placed = row.Placed
				return nil
			})
			if err == nil && key.form == htmlForm {
				err = addNeighbours(ctx, log, f, page)
			}
			if err == nil && key.form == htmlForm {
				page.Entity, err = versionOf(ctx, log, f, &page.Placed)
			}
			if err == nil {
				e, err = s.makeEvent(ctx, key, f, page)
			}
			return err
		})
		return e, err
	})
}

// redirectToQuery redirects a request whose path contains an id with slashes, which a proxy may have
// decoded, to the URL with the id in the query. The event's links are relative to that URL.
func redirectToQuery(w http.ResponseWriter, r *http.Request, id string) {
	query := r.URL.Query()
	if text, err := url.PathUnescape(id); err == nil {
		id = text
	}
	query.Set("id", id)
	header := w.Header()
	header.Set("Location", strings.Repeat("../", strings.Count(mux.Vars(r)["id"], "/"))+"?"+query.Encode())
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusMovedPermanently)
}

// makeEvent renders an event when there is room.
func (s *server) makeEvent(ctx context.Context, key eventKey, f *store.Feed, page *html.Event) (*representation, error) {
	leave, err := s.making.enter(ctx, copies*int64(cloudevents.Size(&page.Event)))
	if err != nil {
		return nil, err
	}
	defer leave()
	content, err := renderEvent(key.form, f, page)
	if err != nil {
		return nil, err
	}
	return newRepresentation(key.form, key.coding, content), nil
}

// eventNamed returns the id and the source in a request; the id is empty if there is none.
func eventNamed(r *http.Request) (id, source string) {
	query := r.URL.Query()
	id, err := url.PathUnescape(mux.Vars(r)["id"])
	if id == "" {
		id = query.Get("id")
	}
	if err != nil {
		id = ""
	}
	return id, query.Get("source")
}

// find returns the position of an event.
func find(ctx context.Context, id, source string, log store.Snapshot, f *store.Feed) (int64, error) {
	if id == "" {
		return 0, refuse(http.StatusNotFound, "name an event: /feeds/"+f.Name+"/events/ID")
	}
	positions, err := log.Find(ctx, f.Key, source, id)
	if err != nil {
		return 0, err
	}
	for len(positions) > 0 && positions[len(positions)-1] > f.Published {
		positions = positions[:len(positions)-1] // not published in a document yet
	}
	switch len(positions) {
	case 0:
		return 0, refuse(http.StatusNotFound, fmt.Sprintf("feed %s has no event with the id %s; an event that was just appended appears in a moment; if several sources use the id, add ?source=", f.Name, quote(id)))
	case 1:
		return positions[0], nil
	default:
		return 0, choices(ctx, log, f, positions)
	}
}

// maxChoices is the maximum number of listed events with the same id.
const maxChoices = 20

// choices returns the error for an id that events of several sources have.
func choices(ctx context.Context, log store.Snapshot, f *store.Feed, positions []int64) error {
	var urls []string
	for _, position := range positions[:min(len(positions), maxChoices)] {
		err := log.Rows(ctx, f.Key, position, position, func(row *store.Row) error {
			// Relative to the folder of the events, which contains the request's URL.
			_, reference, _ := strings.Cut(feed.EventPath(f.Name, row.Source, row.ID), "/events/")
			urls = append(urls, reference)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return refuse(http.StatusMultipleChoices, fmt.Sprintf("%d events have this id, each of another source; name the source: %s", len(positions), strings.Join(urls, " ")))
}

// addNeighbours adds the events before and after an event in the feed.
func addNeighbours(ctx context.Context, log store.Snapshot, f *store.Feed, page *html.Event) error {
	return log.List(ctx, f.Key, max(1, page.Position-1), min(page.Position+1, f.Published), store.Filter{}, 3, func(e *store.ListedEvent) error {
		setNeighbour(e, page.Position, &page.Previous, &page.Next)
		return nil
	})
}

// versionOf returns an event's place among the events of its entity; nil if the feed has no entities,
// or the event no subject.
func versionOf(ctx context.Context, log store.Snapshot, f *store.Feed, e *event.Placed) (*html.Version, error) {
	if !f.Entities || e.Subject == "" {
		return nil, nil
	}
	newest, err := log.EntityVersion(ctx, f.Key, e.Subject)
	if err != nil {
		return nil, err
	}
	v := new(html.Version)
	if v.Of, err = store.VersionAt(ctx, log, f.Key, e.Subject, newest, f.Published); err != nil {
		return nil, err
	}
	if v.Number, err = store.VersionAt(ctx, log, f.Key, e.Subject, v.Of, e.Position); err != nil {
		return nil, err
	}
	err = log.ListVersions(ctx, f.Key, max(1, v.Number-1), min(v.Number+1, v.Of), store.Filter{Subject: e.Subject}, 3, func(other *store.ListedEvent) error {
		setNeighbour(other, e.Position, &v.Previous, &v.Next)
		return nil
	})
	return v, err
}

// setNeighbour sets the neighbour before or after a position.
func setNeighbour(e *store.ListedEvent, position int64, previous, next **html.Neighbour) {
	beside := &html.Neighbour{Source: e.Source, ID: e.ID, Position: e.Position}
	switch {
	case e.Position < position:
		*previous = beside
	case e.Position > position:
		*next = beside
	}
}

// renderEvent renders an event in a form.
func renderEvent(chosen *form, f *store.Feed, page *html.Event) ([]byte, error) {
	switch chosen {
	case entryForm:
		d := feed.Document{ID: f.ID, Name: f.Name, Title: f.Title, Author: f.Author}
		return feed.AppendEntryDocument(nil, &d, &page.Placed), nil
	case cloudEventForm:
		return append(cloudevents.AppendPlacedJSON(nil, &page.Placed), '\n'), nil
	default:
		return html.EventPage(page)
	}
}
