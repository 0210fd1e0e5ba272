package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/render"
	"github.com/eventfeed/eventfeed/internal/store"
)

// The forms of an entity's documents.
var (
	entityAtomForm  = &form{name: "atom", mediaType: feed.ContentType, also: []string{"application/xml", "text/xml"}, fixed: true}
	entityBatchForm = &form{name: "cloudevents", mediaType: render.BatchType, fixed: true}
	entityRSSForm   = &form{name: "rss", mediaType: render.RSSType, absolute: true}
	entityJSONForm  = &form{name: "json", mediaType: render.JSONFeedType, also: []string{"application/json"}, absolute: true}

	entityForms        = []*form{entityAtomForm, htmlForm, entityRSSForm, entityJSONForm, entityBatchForm}
	entityArchiveForms = []*form{entityAtomForm, entityJSONForm, entityBatchForm}
)

// entityBytes is the approximate size of the cache of entities' documents, in bytes.
const entityBytes = 16 << 20

// entityRoom is the memory for reading the events of a document of an entity, in bytes: those of an
// archive, or one event that is larger, and as many before them.
const entityRoom = 2 * max(feed.EntityArchiveBytes, feed.MaxPageBytes)

// entityKey is the key of a document of an entity in the cache. The tag of a subscription document
// names its state and its subject; an archive is named by its subject and its URL.
type entityKey struct {
	feed    string // the feed's id
	history int64  // that of the state, see feedstate.State
	form    *form
	base    string // absolute URL of the server, for forms that need it
	coding  string
	tag     string
	view    entityView

	subject string
	archive feed.EntityArchive
	isFinal bool // the archive has a next one
}

// entityMade is a document of an entity in one form and one coding.
type entityMade struct {
	representation
	links    []feed.Link
	closedAt int64 // position that closed the archive after an archive, see feed.EntityDocument.Epoch
}

// entityRepresentation returns an entity's document from the cache, or makes it when there is room.
func (s *server) entityRepresentation(ctx context.Context, at *entityAt, key entityKey) (*entityMade, error) {
	return s.cachedEntity(ctx, key, func(ctx context.Context) (*entityMade, error) {
		if key.form == htmlForm {
			return s.makeEntityPage(ctx, at, key)
		}
		var d *feed.EntityDocument
		err := s.readEntityAt(ctx, at, func(ctx context.Context, log store.Snapshot) (err error) {
			d, err = store.EntityDocument(ctx, log, at.feed, at.subject, at.end.Version)
			return err
		})
		if err != nil {
			return nil, err
		}
		return s.makeEntity(ctx, key, d)
	})
}

// cachedEntity returns a document of an entity from the cache, or loads it when there is room, once
// for all requests that ask for it at the same time.
func (s *server) cachedEntity(ctx context.Context, key entityKey, load func(context.Context) (*entityMade, error)) (*entityMade, error) {
	if !s.entities.Has(key) {
		size := int64(entityRoom)
		if key.form == htmlForm {
			size = entityPageRoom
		}
		leave, err := s.reading.enter(ctx, size)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return s.entities.Get(ctx, key, load)
}

// readEntityAt reads what is before the end of an entity, which was read in an earlier snapshot. That
// never changes, unless the database has failed over since.
func (s *server) readEntityAt(ctx context.Context, at *entityAt, read func(context.Context, store.Snapshot) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.Log.ReadFeed(ctx, at.feed.Name, func(log store.Snapshot, f *store.Feed) error {
		place, err := log.EntityPlace(ctx, f.Key, at.subject, at.end.Version)
		switch {
		case err != nil:
			return err
		case place.Digest != at.end.Digest || len(f.Epochs) != len(at.feed.Epochs):
			return fmt.Errorf("entity %q of feed %s: the history has changed while it was read: %w", at.subject, f.Name, store.ErrMoved)
		}
		return read(ctx, log)
	})
}

// makeEntity writes a document in a form and a coding.
func (s *server) makeEntity(ctx context.Context, key entityKey, d *feed.EntityDocument) (*entityMade, error) {
	leave, err := s.making.enter(ctx, copies*sizeOf(d.Entries))
	if err != nil {
		return nil, err
	}
	defer leave()
	var content []byte
	switch key.form {
	case entityAtomForm:
		content = feed.AppendEntityDocument(nil, d)
	case entityBatchForm:
		content = render.AppendEntityBatch(nil, d)
	case entityRSSForm:
		content, err = render.EntityRSS(d, key.base)
	case entityJSONForm:
		content, err = render.EntityJSONFeed(d, key.base)
	}
	if err != nil {
		return nil, err
	}
	return newEntityMade(key, content, d.Links()), nil
}

func newEntityMade(key entityKey, content []byte, links []feed.Link) *entityMade {
	made := &entityMade{representation: *newRepresentation(key.form, key.coding, content), links: links}
	if key.tag != "" {
		made.tag = key.tag
	}
	return made
}

// entityArchive answers with an archive of an entity. One that has a next archive never changes under
// its URL, but for a release; it is rendered on demand, so caches keep it for a minute only.
func (s *server) entityArchive(w http.ResponseWriter, r *http.Request) error {
	state, err := s.feed(r)
	if err != nil {
		return err
	}
	subject, moved, err := entityNamed(w, r)
	if err != nil || moved {
		return err
	}
	text := segment(r, "last")
	last, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(last, 10) != text {
		return refuse(http.StatusNotFound, "no such archive: "+quote(text)+" is not a version")
	}
	chosen, explicit, err := chooseForm(r, entityArchiveForms)
	if err != nil {
		return err
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	key := entityKey{feed: state.ID, history: state.History, form: chosen, coding: coding, subject: subject, archive: feed.EntityArchive{Epoch: segment(r, "epoch"), Last: last}}
	if chosen.absolute {
		key.base = s.Origin.Of(r).Base
	}
	made, err := s.entityArchiveMade(r.Context(), state, &key)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Vary", s.vary(explicit))
	if chosen.absolute {
		addVary(header, s.Origin.Fields())
	}
	header.Set("Cache-Control", s.scope()+", no-cache")
	if key.isFinal {
		header.Set("Cache-Control", pageLifetime.cacheControl(s.scope()))
	}
	linkAlternates(header, r, entityArchiveForms, chosen)
	linkEntityArchives(header, made.links, chosen)
	return s.serve(w, r, &made.representation)
}

// entityArchiveMade returns an archive that has a next one from the cache, if it is there and its
// epoch has not lost it. Otherwise it asks the database, and sets key.isFinal.
func (s *server) entityArchiveMade(ctx context.Context, state *feedstate.State, key *entityKey) (*entityMade, error) {
	key.isFinal = true
	if made, found := s.entities.Find(*key); found && feed.EpochOfPosition(state.Epochs, made.closedAt) == key.archive.Epoch {
		return made, nil
	}
	at, err := s.readEntityEnd(ctx, state.Name, key.subject)
	if err != nil {
		return nil, err
	}
	var known *store.EntityArchive
	err = s.readEntityAt(ctx, at, func(ctx context.Context, log store.Snapshot) error {
		known, err = store.FindEntityArchive(ctx, log, at.feed, at.subject, at.end.Version, key.archive)
		return at.whereItGoesOn(key.archive, known, err)
	})
	if err != nil {
		return nil, err
	}
	key.isFinal = known.Next != nil
	return s.cachedEntity(ctx, *key, func(ctx context.Context) (*entityMade, error) {
		err := s.readEntityAt(ctx, at, func(ctx context.Context, log store.Snapshot) error {
			return known.Fill(ctx, log, at.feed)
		})
		if err != nil {
			return nil, err
		}
		made, err := s.makeEntity(ctx, *key, known.EntityDocument)
		if err == nil {
			made.closedAt = known.NextClosedAt
		}
		return made, err
	})
}

// whereItGoesOn adds to ErrPageGone the archive that replaces the lost one, and the entity's URL.
func (a *entityAt) whereItGoesOn(asked feed.EntityArchive, now *store.EntityArchive, err error) error {
	if !errors.Is(err, store.ErrPageGone) {
		return err
	}
	lost := feed.EntityDocument{Kind: feed.Archive, Subject: a.subject, Epoch: asked.Epoch, Last: asked.Last}
	p := &replacedPageError{error: err}
	if now != nil {
		lost.Next = &feed.EntityArchive{Epoch: now.Epoch, Last: now.Last}
	}
	for _, link := range lost.Links() {
		switch link.Rel {
		case "current":
			p.current = link.Reference
		case "next-archive":
			p.successor = link.Reference
		}
	}
	return p
}
