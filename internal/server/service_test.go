package server_test

import (
	"encoding/xml"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestServiceDocumentIsThatOfRFC5023(t *testing.T) {
	const namespace = "http://www.w3.org/2007/app"
	l, s := serveNasty(t)
	storetest.Create(t, l, "other", 100)
	response, body := do(t, "GET", s.URL+"/")
	d := parseAtom(t, body)
	workspaces := d.of(namespace, "workspace")
	if response.Header.Get("Content-Type") != "application/atomsvc+xml" || d.XMLName != (xml.Name{Space: namespace, Local: "service"}) || len(workspaces) != 1 {
		t.Fatalf("%v\n%s", response.Header, body)
	}
	checkText(t, workspaces[0].one(t, "title"))
	collections := workspaces[0].of(namespace, "collection")
	if len(collections) != 2 {
		t.Errorf("%d collections", len(collections))
	}
	for _, c := range collections {
		checkText(t, c.one(t, "title"))
		target, err := response.Request.URL.Parse(c.attr("href"))
		must.OK(t, err)
		// Section 8.3.3: a collection is an Atom Feed Document.
		if there, _ := do(t, "GET", target.String()); there.Header.Get("Content-Type") != "application/atom+xml" {
			t.Errorf("%s: %d %v", target, there.StatusCode, there.Header)
		}
		// Section 8.3.4: an empty accept takes nothing.
		if accept := c.of(namespace, "accept"); len(accept) != 1 || accept[0].Text != "" {
			t.Errorf("%s takes %+v", target, accept)
		}
	}
}
