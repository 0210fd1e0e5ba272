package server

import (
	"net/http"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/render"
)

// serviceForm is the service document of RFC 5023 section 8: the feeds as collections that accept
// nothing.
var serviceForm = &form{name: "service", mediaType: render.ServiceType, also: []string{"application/xml", "text/xml"}}

func (s *server) service(w http.ResponseWriter, r *http.Request) error {
	chosen, explicit, err := chooseForm(r, serviceForms)
	if err == nil {
		err = checkParameters(r, chosen, serviceParameters)
	}
	if err != nil {
		return err
	}
	write := serviceXML
	if chosen == htmlForm {
		write = listPage
		text, err := textParameter(r, "q")
		if err != nil {
			return err
		}
		if text = strings.TrimSpace(text); text != "" {
			return s.searchAll(w, r, explicit, text)
		}
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	content, err := write(s.visible(r))
	if err == nil && namesAnother(r.Header, strongTag(hashOf(content), coding)) {
		// The client may have a list from a server whose state is newer.
		if err = s.Feeds.Fresh(r.Context()); err == nil {
			content, err = write(s.visible(r))
		}
	}
	if err != nil {
		return err
	}
	linkAlternates(w.Header(), r, serviceForms, chosen)
	w.Header().Set("Vary", s.vary(explicit))
	w.Header().Set("Cache-Control", subscriptionLifetime.cacheControl(s.scope()))
	return s.serve(w, r, newRepresentation(chosen, coding, content))
}

func serviceXML(feeds []*feedstate.State) ([]byte, error) {
	collections := make([]render.Collection, len(feeds))
	for i, f := range feeds {
		collections[i] = render.Collection{Reference: feed.SubscriptionPath(f.Name)[1:], Title: f.Title}
	}
	return render.Service(collections)
}
