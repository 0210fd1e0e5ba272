package server

import (
	"encoding/xml"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// The service document of RFC 5023 section 8: the feeds as collections that
// take nothing.
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
	Accept string    `xml:"accept"`
}

type atomTitle struct {
	Text string `xml:",chardata"`
}

func (s *server) service(w http.ResponseWriter, r *http.Request) error {
	feeds, err := s.Log.Feeds(r.Context())
	if err != nil {
		return err
	}
	document := serviceDocument{Workspace: workspace{Title: atomTitle{"Feeds"}}}
	for _, f := range feeds {
		document.Workspace.Collections = append(document.Workspace.Collections,
			collection{Href: feed.SubscriptionPath(f.Name)[1:], Title: atomTitle{f.Title}})
	}
	text, err := xml.MarshalIndent(document, "", " ")
	if err != nil {
		return err
	}
	text = append([]byte(xml.Header), append(text, '\n')...)
	w.Header().Set("Content-Type", "application/atomsvc+xml")
	w.Header().Set("Cache-Control", cacheSubscription)
	w.Header().Set("ETag", `"`+tagOf(text)+`"`)
	serve(w, r, text)
	return nil
}
