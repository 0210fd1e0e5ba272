package render

import "encoding/xml"

// ServiceType is the media type of a service document, RFC 5023 section 16.2.
const ServiceType = "application/atomsvc+xml"

// Collection is a feed in a service document.
type Collection struct {
	Reference string // of its subscription document, relative to the service document
	Title     string
}

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

// Service returns the service document of RFC 5023 section 8: the feeds as collections that accept
// nothing.
func Service(feeds []Collection) ([]byte, error) {
	document := serviceDocument{Workspace: workspace{Title: atomTitle{"Feeds"}}}
	for _, f := range feeds {
		document.Workspace.Collections = append(document.Workspace.Collections, collection{Href: f.Reference, Title: atomTitle{f.Title}})
	}
	text, err := xml.MarshalIndent(document, "", " ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}
