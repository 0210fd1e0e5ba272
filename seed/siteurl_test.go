package seed_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
)

// siteURL is the URL that a site has for the source's feed.
func (s *source) siteURL() string { return s.URL + feed.SitePath("f") }

func TestAConsumerGoesOnAtTheOtherURLOfItsFeed(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 0)
		at, urls := 0, []string{s.siteURL(), s.feed()}
		for i, last := range []int{3, 10, 47, 47, 95} { // within a page, at its end, over many
			if last > at {
				s.add(t, at+1, last)
			}
			_, err := run(t, seed.Config{From: []string{urls[i%2]}, Into: again().Target})
			must.OK(t, err)
			wantInbox(t, again(), last)
			at = last
		}
	})
}

func TestAConsumerFollowsAFeedThatIsRedirectedToItsOtherURL(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]struct{ from, to string }{
		"to that of a site": {"/feeds/f", "/feeds/f.atom"},
		"to its own":        {"/feeds/f.atom", "/feeds/f"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 47)
			var redirected atomic.Int64
			moved := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
				if r.URL.Path != redirect.from {
					real.ServeHTTP(w, r)
					return
				}
				redirected.Add(1)
				http.Redirect(w, r, redirect.to, http.StatusPermanentRedirect)
			}
			to := newFile(t)
			_, err := run(t, seed.Config{From: []string{s.URL + redirect.from}, Into: to.Target})
			must.OK(t, err)
			s.damage.Store(&moved)
			s.add(t, 48, 95)
			_, err = run(t, seed.Config{From: []string{s.URL + redirect.from}, Into: to.Target})
			must.OK(t, err)
			wantInbox(t, to, 95)
			if redirected.Load() == 0 {
				t.Error("nothing was redirected")
			}
		})
	}
}

// Nothing but the subscription document is at another path, so a request below the URL of a site would
// ask for a document that no site has.
func TestASeederAsksNothingBelowTheURLOfASite(t *testing.T) {
	t.Parallel()
	s := newSource(t, 95)
	var below atomic.Int64
	watch := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasPrefix(r.URL.Path, feed.SitePath("f")+"/") {
			below.Add(1)
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&watch)
	to := newFile(t)
	_, err := run(t, seed.Config{From: []string{s.siteURL()}, Into: to.Target})
	must.OK(t, err)
	wantInbox(t, to, 95)
	if n := below.Load(); n != 0 {
		t.Errorf("%d requests below %s", n, s.siteURL())
	}
}
