package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// Some proxies decode %2F. The links of an event's forms are right from its own
// URL only.
func TestAnIDWithASlashInThePathLeadsToTheEventsURL(t *testing.T) {
	l, s := serve(t)
	storetest.Append(t, l, "f", []event.Event{{ID: "a/b/c", Source: "/s", Type: "T"}})
	storetest.Drain(t, l, "f")
	response, _ := do(t, "GET", s.URL+"/feeds/f/events/a/b/c?source=%2Fs&format=html")
	own, err := url.Parse(s.URL + "/feeds/f/events/?format=html&id=a%2Fb%2Fc&source=%2Fs")
	must.OK(t, err)
	if response.StatusCode != 200 || response.Request.URL.String() != own.String() {
		t.Errorf("%d at %s", response.StatusCode, response.Request.URL)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/feeds/f/events/a/b/c", nil)
	must.OK(t, err)
	response, err = client.Do(request)
	must.OK(t, err)
	must.OK(t, response.Body.Close())
	if to := response.Header.Get("Location"); response.StatusCode != 301 || !strings.HasPrefix(to, "../../?") {
		t.Errorf("%d to %s, which is not right below any path", response.StatusCode, to)
	}
}

func TestEventsWithOneIDAreListedByReferencesThatHoldAnywhere(t *testing.T) {
	l, s := serve(t)
	storetest.Append(t, l, "f", []event.Event{{ID: "same", Source: "/s", Type: "T"}, {ID: "same", Source: "/t", Type: "T"}})
	storetest.Drain(t, l, "f")
	response, body := do(t, "GET", s.URL+"/feeds/f/events/same")
	if response.StatusCode != 300 || !strings.Contains(string(body), `: same?source=%2Fs same?source=%2Ft"`) {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestThePageOfAnEventIsNotKeptBeyondTheNextEvent(t *testing.T) {
	_, s := serve(t)
	for accept, want := range map[string]string{"text/html": "public, max-age=1", "application/atom+xml": "public, max-age=60", "application/cloudevents+json": "public, max-age=60"} {
		response, _ := do(t, "GET", s.URL+"/feeds/f/events/1?source=%2Ftest", "Accept", accept)
		if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %d %s", accept, response.StatusCode, response.Header.Get("Cache-Control"))
		}
	}
}
