package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// typesForm is the JSON document of a feed's types, see feed.TypesDocument.
var typesForm = &form{name: "json", mediaType: feed.TypesType}

// typesRoom is the memory for reading feed.MaxTypes of the longest types, in bytes.
const typesRoom = 8 << 20

// feedTypes answers with the types of a feed's events: how many there are of each, and where.
func (s *server) feedTypes(w http.ResponseWriter, r *http.Request) error {
	chosen, explicit, err := chooseForm(r, typesForms)
	if err != nil {
		return err
	}
	e, err := s.typesRepresentation(r, chosen)
	if err == nil && namesAnother(r.Header, e.tag) {
		// The client may have an answer of a server whose state is newer.
		if err = s.Feeds.Fresh(r.Context()); err == nil {
			e, err = s.typesRepresentation(r, chosen)
		}
	}
	if err != nil {
		return err
	}
	if key, _ := typesAfter(r); key == (feed.TypeKey{}) { // the query of a part may be too long for a header
		linkAlternates(w.Header(), r, typesForms, chosen)
	}
	w.Header().Set("Vary", s.vary(explicit))
	w.Header().Set("Cache-Control", subscriptionLifetime.cacheControl(s.scope()))
	return s.serve(w, r, e)
}

// typesKey is the key of a part of a feed's types in one form and one coding in the cache.
type typesKey struct {
	feed, title        string // the feed's id and title
	history, published int64  // those of the state, see feedstate.State
	after              feed.TypeKey
	form               *form
	coding             string
}

// typesAfter returns the key in a request after which its part of the types begins.
func typesAfter(r *http.Request) (feed.TypeKey, error) {
	query := r.URL.Query()
	after := feed.TypeKey{Type: query.Get("after"), DataSchema: query.Get("dataschema")}
	for _, text := range []string{after.Type, after.DataSchema} {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) || len(text) > event.MaxAttribute {
			return after, refuse(http.StatusBadRequest, "after and dataschema must be those of an event: take the URL of the next part from the answer before it")
		}
	}
	return after, nil
}

// typesRepresentation returns a part of a feed's types from the cache. Otherwise it reads them when
// there is room, once for all requests that ask for them at the same time.
func (s *server) typesRepresentation(r *http.Request, chosen *form) (*representation, error) {
	state, err := s.feed(r)
	if err == nil {
		err = checkParameters(r, chosen, typesParameters)
	}
	if err == nil {
		err = reachable(s.Feeds)
	}
	if err != nil {
		return nil, err
	}
	after, err := typesAfter(r)
	if err != nil {
		return nil, err
	}
	coding, err := s.coding(r)
	if err != nil {
		return nil, err
	}
	key := typesKey{feed: state.ID, title: state.Title, history: state.History, published: state.Published, after: after, form: chosen, coding: coding}
	if !s.types.Has(key) {
		leave, err := s.reading.enter(r.Context(), typesRoom)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return s.types.Get(r.Context(), key, func(ctx context.Context) (*representation, error) { return s.readTypes(ctx, state, key) })
}

func (s *server) readTypes(ctx context.Context, state *feedstate.State, key typesKey) (*representation, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	limit, write := feed.MaxTypes, typesJSON
	if key.form == htmlForm {
		limit, write = html.ShownRows, typesPage
	}
	f, types, more, err := s.Log.Types(ctx, state.Name, key.after, limit)
	if err != nil {
		return nil, err
	}
	content, err := write(f, types, more, key.after)
	if err != nil {
		return nil, err
	}
	return newRepresentation(key.form, key.coding, content), nil
}

func typesJSON(f *store.Feed, types []feed.TypeCount, more bool, _ feed.TypeKey) ([]byte, error) {
	document := feed.TypesDocument{Feed: f.Name, ID: f.ID, Position: f.Published, Types: append([]feed.TypeCount{}, types...), More: more}
	if more {
		document.Next = feed.TypesAfter(types[len(types)-1].TypeKey)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(document)
	return b.Bytes(), err
}

func typesPage(f *store.Feed, types []feed.TypeCount, more bool, after feed.TypeKey) ([]byte, error) {
	return html.Types(&html.TypesPart{
		Feed: f.Name, Title: f.Title, Position: f.Published, Types: types, More: more, Later: after != (feed.TypeKey{}),
	})
}
