package server

import (
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
)

// serviceForm is the service document of RFC 5023 section 8: the feeds as collections that accept
// nothing.
var serviceForm = &form{name: "service", mediaType: "application/atomsvc+xml", also: []string{"application/xml", "text/xml"}}

type serviceDocument struct {
	XMLName   xml.Name  `xml:"http://www.w3.org/2007/app service"`
	Workspace workspace `xml:"workspace"`
}

type workspace struct {
	Title       atomTitle    `xml:"http://www.w3.org/2005/Atom title"`
	Collections []collection `xml:"collection"`
}

type collection struct {
	Href   string    `xml:"href,attr"`
	Title  atomTitle `xml:"http://www.w3.org/2005/Atom title"`
	Accept string    `xml:"accept"` // empty: nothing can be posted, section 8.3.4
}

type atomTitle struct {
	Text string `xml:",chardata"`
}

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
	document := serviceDocument{Workspace: workspace{Title: atomTitle{"Feeds"}}}
	for _, f := range feeds {
		document.Workspace.Collections = append(document.Workspace.Collections,
			collection{Href: feed.SubscriptionPath(f.Name)[1:], Title: atomTitle{f.Title}})
	}
	text, err := xml.MarshalIndent(document, "", " ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}
