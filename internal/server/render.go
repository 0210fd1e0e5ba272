package server

import (
	"github.com/eventfeed/eventfeed/internal/feed"
)

var atomForm = &form{
	name: "atom", mediaType: feed.ContentType, also: []string{"application/xml", "text/xml"}, delta: true, fixed: true,
	document: func(d *feed.Document, _ string) ([]byte, error) { return feed.AppendDocument(nil, d), nil },
}

// The forms of each resource; where a client does not care it gets the first.
var (
	serviceForms      = []*form{serviceForm}
	subscriptionForms = []*form{atomForm}
	archiveForms      = []*form{atomForm}
)
