package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/store"
)

// entityAt is an entity at one moment.
type entityAt struct {
	feed    *store.Feed
	subject string
	end     store.EntityEnd
}

// entity answers with the events of one entity, as far as they are published.
func (s *server) entity(w http.ResponseWriter, r *http.Request) error {
	state, err := s.feed(r)
	if err != nil {
		return err
	}
	subject, moved, err := entityNamed(w, r)
	if err != nil || moved {
		return err
	}
	chosen, explicit, err := chooseForm(r, entityForms)
	if err != nil {
		return err
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	key := entityKey{feed: state.ID, history: state.History, form: chosen, coding: coding}
	if chosen.absolute {
		key.base = s.Origin.Of(r).Base
	}
	if err := key.setView(r); err != nil {
		return err
	}
	if err := checkTags(r.Header, "If-Match"); err != nil {
		return err
	}
	at, err := s.entityAt(r.Context(), state.Name, subject)
	if err == nil {
		err = at.check()
	}
	if err != nil {
		return err
	}
	key.tag = at.tag(&key)
	header := w.Header()
	header.Set("Vary", s.vary(explicit))
	if chosen.absolute {
		addVary(header, s.Origin.Fields())
	}
	header.Set("Cache-Control", s.scope()+", no-cache")
	linkAlternates(header, r, entityForms, chosen)
	e := &representation{mediaType: chosen.mediaType, coding: coding, tag: key.tag}
	switch {
	case e.hasChanged(r.Header):
		return errChanged()
	case matches(entityTags(r.Header, "If-None-Match"), key.tag):
		return s.serve(w, r, e) // 304, without reading the events
	}
	made, err := s.entityRepresentation(r.Context(), at, key)
	if err != nil {
		return err
	}
	linkEntityArchives(header, made.links, chosen)
	return s.serve(w, r, &made.representation)
}

// entityNamed returns the subject in a request. A request for another URL than the entity's is
// redirected to that one, with its method: moved is true. A proxy may have decoded the path.
func entityNamed(w http.ResponseWriter, r *http.Request) (subject string, moved bool, err error) {
	query := r.URL.Query()
	raw := mux.Vars(r)["subject"]
	subject, err = url.PathUnescape(raw)
	if err != nil {
		subject = raw
	}
	if raw == "" {
		subject = query.Get("subject")
	}
	if subject == "" {
		return "", false, refuse(http.StatusNotFound, "name an entity by its subject: /feeds/"+feedName(r)+"/entities/SUBJECT, or /feeds/"+feedName(r)+"/entities/?subject=SUBJECT")
	}
	if err := checkAttribute("subject", subject, event.MaxAttribute); err != nil {
		return "", false, err
	}
	path, right, isQuery := strings.Cut(feed.EntityPath("f", subject)[len("/feeds/f/entities/"):], "?")
	if raw == path && (isQuery || !query.Has("subject")) {
		return subject, false, nil
	}
	query.Del("subject")
	if rest := query.Encode(); rest != "" && right != "" {
		right += "&" + rest
	} else {
		right += rest
	}
	archive := ""
	if vars := mux.Vars(r); vars["last"] != "" {
		archive = "/archive/" + vars["epoch"] + "/" + vars["last"]
	}
	_, below, _ := strings.Cut(r.URL.EscapedPath(), "/feeds/"+mux.Vars(r)["feed"]+"/entities/")
	location := strings.Repeat("../", strings.Count(below, "/")) + strings.TrimPrefix(path+archive, "/")
	if right != "" || location == "" {
		location += "?" + right
	}
	w.Header().Set("Location", location)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusPermanentRedirect)
	return subject, true, nil
}

// entityEndRoom of reading is for the few rows that say how an entity stands, in bytes.
const entityEndRoom = 64 << 10

// entityAt reads how an entity stands. It waits up to placeTimeout until the events of the entity that
// are committed now are published.
func (s *server) entityAt(ctx context.Context, name, subject string) (*entityAt, error) {
	timeout := time.NewTimer(placeTimeout)
	defer timeout.Stop()
	for committed := int64(0); ; {
		state, err := s.Feeds.Get(name)
		if err != nil {
			return nil, err
		}
		at, err := s.readEntityEnd(ctx, name, subject)
		if err != nil {
			return nil, err
		}
		if committed == 0 {
			committed = at.end.Committed // others may come all the time
		}
		if at.end.Version >= committed || at.feed.Held {
			return at, nil
		}
		observed := observe.Waiting(ctx)
		changed := s.changes(ctx, state.Changed(), timeout.C)
		observed()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !changed {
			return at, nil
		}
	}
}

// readEntityEnd reads how an entity stands at this moment.
func (s *server) readEntityEnd(ctx context.Context, name, subject string) (at *entityAt, err error) {
	if err := reachable(s.Feeds); err != nil {
		return nil, err
	}
	leave, err := s.reading.enter(ctx, entityEndRoom)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	err = s.Log.ReadFeed(ctx, name, func(log store.Snapshot, f *store.Feed) (err error) {
		at = &entityAt{feed: f, subject: subject}
		if !f.Entities {
			return errNoEntities(name)
		}
		at.end, err = store.ReadEntityEnd(ctx, log, f, subject)
		return err
	})
	return at, err
}

// errNoEntities is the error of a request for an entity of a feed whose events have no versions.
func errNoEntities(name string) error {
	return refuse(http.StatusNotFound, fmt.Sprintf("feed %s has no entities; the operator can number its events with: feedserver entities %s", name, name))
}

// check returns an error if no event of the entity is published.
func (a *entityAt) check() error {
	switch {
	case a.end.Version > 0:
		return nil
	case a.end.Committed > 0 && a.feed.Held:
		return refuse(http.StatusNotFound, fmt.Sprintf("feed %s is held, and publishes the events of %s once it is opened: feedserver open %s", a.feed.Name, quote(a.subject), a.feed.Name))
	case a.end.Committed > 0:
		return refuse(http.StatusNotFound, fmt.Sprintf("the events of %s in feed %s have no positions yet; retry in a moment", quote(a.subject), a.feed.Name))
	default:
		return refuse(http.StatusNotFound, fmt.Sprintf("feed %s has no events with the subject %s; upper and lower case count", a.feed.Name, quote(a.subject)))
	}
}

// tag returns the strong ETag of the entity's document in a form and coding. It begins with the
// version, its position and the feed's digest there; all else that the bytes depend on is hashed.
func (a *entityAt) tag(key *entityKey) string {
	f := a.feed
	made := fmt.Sprintf("%d %q %q %q %q %+v\n%s\n%s\n%+v", feed.Format, f.ID, f.Title, f.Author, a.subject, f.Epochs, key.form.name, key.base, key.view)
	if !key.form.fixed {
		made += "\n" + program
	}
	place := entityTag{a.end.Version, a.end.Position, a.end.Digest.String()[:digestInTag]}
	return strongTag(place.String()+"-"+hashOf([]byte(made)), key.coding)
}

// entityTag is the part of an entity's ETag that says which state it is of.
type entityTag struct {
	version, position int64
	digest            string // the first digits of the feed's digest at position
}

func (t entityTag) String() string { return fmt.Sprintf("%d-%d-%s", t.version, t.position, t.digest) }

// parseEntityTag parses an ETag of an entity, or a version in quotes, which has no digest. It returns
// false for a weak tag and for one of another server software.
func parseEntityTag(tag string) (t entityTag, ours bool) {
	text, isStrong := strings.CutPrefix(tag, `"`)
	parts := strings.SplitN(strings.TrimSuffix(text, `"`), "-", 4)
	version, err := strconv.ParseInt(parts[0], 10, 64)
	if !isStrong || err != nil || version < 0 || strconv.FormatInt(version, 10) != parts[0] {
		return t, false
	}
	t.version = version
	if len(parts) == 1 {
		return t, true
	}
	if len(parts) < 4 || len(parts[2]) != digestInTag {
		return t, false
	}
	t.position, err = strconv.ParseInt(parts[1], 10, 64)
	t.digest = parts[2]
	return t, err == nil
}

// linkEntityArchives is linkArchives for a document of an entity.
func linkEntityArchives(header http.Header, links []feed.Link, form *form) {
	if form != entityBatchForm {
		return
	}
	for _, link := range links {
		if slices.Contains([]string{"prev-archive", "next-archive"}, link.Rel) {
			reference := link.Reference + "?"
			if strings.Contains(link.Reference, "?") {
				reference = link.Reference + "&"
			}
			header.Add("Link", "<"+reference+"format="+form.name+`>; rel="`+link.Rel+`"`)
		}
	}
}
