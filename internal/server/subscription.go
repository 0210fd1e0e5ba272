package server

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/readers"
)

// subscription answers with a feed's subscription document. It holds a conditional request with
// Prefer: wait while the client's document is the current one.
func (s *server) subscription(w http.ResponseWriter, r *http.Request) error {
	return s.subscribe(w, r, func() (*form, bool, error) { return chooseForm(r, subscriptionForms) })
}

// siteSubscription answers with the document that a site has at this URL, whatever the client accepts.
func (s *server) siteSubscription(w http.ResponseWriter, r *http.Request) error {
	return s.subscribe(w, r, func() (*form, bool, error) { return siteForm, true, nil })
}

func (s *server) subscribe(w http.ResponseWriter, r *http.Request, choose func() (chosen *form, explicit bool, err error)) error {
	ask, err := s.ask(r, choose)
	if err != nil {
		return err
	}
	if ask.form == htmlForm {
		query, err := feedQueryOf(r)
		if err != nil {
			return err
		}
		if view := s.view(query); view != nil {
			return view(w, r, ask, query)
		}
	}
	v, err := s.await(r, ask)
	if err != nil {
		return err
	}
	ask.noteAnswer(r, v)
	header := w.Header()
	s.markAge(header) // again, after the wait
	header.Set("Vary", s.vary(ask.explicit)+", A-IM, Prefer")
	if ask.form.absolute {
		addVary(header, s.Origin.Fields())
	}
	header.Set("Cache-Control", subscriptionLifetime.cacheControl(s.scope()))
	if ask.form != siteForm {
		linkAlternates(header, r, subscriptionForms, ask.form)
	}
	linkArchives(header, v.document.Links(), ask.form)
	header.Add("Link", "<"+feed.TypesReference(v.document.Name)+`>; rel="`+feed.TypesRelation+`"; type="`+feed.TypesType+`"`)
	if ask.wait > 0 {
		header.Set("Preference-Applied", "wait="+strconv.Itoa(int(ask.wait/time.Second)))
	}
	e := &representation{tag: v.tag(ask.representationKey), modified: v.feed.Modified}
	if e.hasChanged(r.Header) {
		return errChanged()
	}
	if ask.delta && !matches(ask.have, v.tag(ask.representationKey)) {
		if base, since, found := v.base(ask.have); found {
			return s.serveDelta(w, r, v, ask.representationKey, base, since)
		}
	}
	if e, err = v.representation(ask.representationKey); err != nil {
		return err
	}
	return s.serve(w, r, e)
}

// maxWaitCutOff is the maximum length of a long poll while the database is unreachable: long enough
// that clients do not poll all the time, and short, because the next request may reach another
// server.
const maxWaitCutOff = 5 * time.Second

// ask is a parsed request for a subscription document.
type ask struct {
	feed     string
	explicit bool
	representationKey
	have  []string      // the tags of If-None-Match
	match []string      // the tags of If-Match
	wait  time.Duration // how long to wait for a document that is not in have
	delta bool          // only the entries that are new since a document in have
	visit readers.Visit // of the reader
}

func (s *server) ask(r *http.Request, choose func() (chosen *form, explicit bool, err error)) (*ask, error) {
	state, err := s.feed(r)
	if err != nil {
		return nil, err
	}
	a := &ask{feed: state.Name, have: entityTags(r.Header, "If-None-Match"), match: entityTags(r.Header, "If-Match")}
	if a.form, a.explicit, err = choose(); err != nil {
		return nil, err
	}
	if err := checkParameters(r, a.form, feedParameters); err != nil {
		return nil, err
	}
	if a.coding, err = s.coding(r); err != nil {
		return nil, err
	}
	switch {
	case a.form.absolute:
		a.base = s.Origin.Of(r).Base
	case a.form == htmlForm && s.Origin.Base != nil: // otherwise it differs between clients
		a.base = s.Origin.Of(r).Base
	}
	if len(a.have) > 0 && r.Method == http.MethodGet {
		most := s.MaxWait
		if reachable(s.Feeds) != nil {
			most = min(most, maxWaitCutOff)
		}
		a.wait = max(0, min(preferredWait(r.Header), most)).Truncate(time.Second)
		a.delta = a.form.delta && wantsDelta(r.Header)
	}
	if a.form != htmlForm {
		a.visit = s.visit(r, a.feed)
		a.visit.Ask()
	}
	return a, nil
}

// await returns the current version, or the next one if the client has the current one and prefers
// to wait. If the client has a version that this server does not know yet, await reads the database
// first.
func (s *server) await(r *http.Request, a *ask) (*version, error) {
	var until <-chan time.Time
	if a.wait > 0 {
		timer := time.NewTimer(a.wait)
		defer timer.Stop()
		until = timer.C
	}
	for looked := wantsFresh(r); ; {
		v, next, err := s.subscriptions.at(r.Context(), a.feed, looked)
		if err == nil && !looked && (v.isUnknown(a.have) || v.isUnknown(a.match)) {
			if err := s.Feeds.Fresh(r.Context()); err != nil {
				return nil, err
			}
			looked = true
			continue
		}
		if err != nil || until == nil || !matches(a.have, v.tag(a.representationKey)) {
			return v, err
		}
		observed := observe.Waiting(r.Context())
		a.visit.Wait(v.feed.Epoch(), v.document.Last)
		changed := s.changes(r.Context(), next, until)
		a.visit.Resume()
		observed()
		if err := s.stillMayRead(r); err != nil {
			return nil, err
		}
		if !changed {
			return v, r.Context().Err()
		}
	}
}

// feedName returns the feed's name in a request's path.
func feedName(r *http.Request) string { return segment(r, "feed") }

// segment returns a segment of a request's path, percent-decoded, RFC 9110 section 4.2.3.
func segment(r *http.Request, name string) string {
	raw := mux.Vars(r)[name]
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}
