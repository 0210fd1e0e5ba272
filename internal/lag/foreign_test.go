package lag_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

const blogPosts = `<entry><id>urn:x:2</id><updated>2026-01-02T00:00:00Z</updated></entry><entry><id>urn:x:1</id><updated>2026-01-01T00:00:00Z</updated></entry>`

// blog serves somebody's feed to whoever knows the password, and returns it as
// one that is asked, and the documents that were sent.
func blog(t *testing.T, entries string) (*lag.Foreign, *[]string) {
	t.Helper()
	var sent []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		_, token, _ := r.BasicAuth()
		switch {
		case token != "secret":
			http.Error(w, "no", http.StatusUnauthorized)
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		default:
			sent = append(sent, r.URL.Path)
			_, _ = w.Write([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id><title>x</title>` + entries + `</feed>`))
		}
	}))
	t.Cleanup(web.Close)
	path := filepath.Join(t.TempDir(), "target.db")
	session := checkpoint.Open(sqlite.Target{Path: path}, false)
	t.Cleanup(session.Close)
	must.OK(t, session.Prepare(t.Context()))
	must.OK(t, session.Claim(t.Context(), "default"))
	u, err := fetch.ParseURL(strings.Replace(web.URL, "http://", "http://anyone:secret@", 1) + "/blog.atom")
	must.OK(t, err)
	return &lag.Foreign{
		Config: foreign.Config{Client: &fetch.Client{HTTP: http.DefaultClient, Feed: u}, URL: u},
		Memory: session.Memory,
	}, &sent
}

func TestLagOfAForeignFeedIsTheEntriesThatAreNotApplied(t *testing.T) {
	t.Parallel()
	moved := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		entries string
		applied []checkpoint.Version
		asOf    bool // with 1 of its events missing
		want    lag.Lag
	}{
		"none is applied": {blogPosts, nil, false, lag.Lag{Events: 2, Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"one is applied": {blogPosts, []checkpoint.Version{{Entry: "urn:x:1", Updated: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}},
			false, lag.Lag{Events: 1, Since: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}},
		"there is none":      {"", nil, false, lag.Lag{}},
		"one has no time":    {`<entry><id>urn:x:1</id></entry>`, nil, false, lag.Lag{Events: 1, Since: moved}},
		"some came too late": {blogPosts, nil, true, lag.Lag{Events: 1, Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		f, sent := blog(t, test.entries)
		s := &checkpoint.Status{Checkpoint: checkpoint.Checkpoint{FeedID: "urn:x", Updated: moved}, Consumer: checkpoint.Consumer{Name: "default"}}
		if test.asOf {
			s.Consumer.AsOf, s.SeedEnd = moved, 1
		}
		must.OK(t, f.Memory("default", "urn:x").Mark(t.Context(), checkpoint.Marks{Entries: test.applied}))
		for range 3 {
			must.OK(t, f.Look(t.Context()))
			got, err := f.Lag(t.Context(), s)
			must.OK(t, err)
			if got.Events != test.want.Events || !got.Since.Equal(test.want.Since) {
				t.Errorf("%s: %+v, want %+v", name, got, test.want)
			}
		}
		if len(*sent) != 1 {
			t.Errorf("%s: sent %s", name, *sent)
		}
		s.FeedID = "urn:y"
		if _, err := f.Lag(t.Context(), s); !errors.Is(err, walk.ErrMismatch) {
			t.Errorf("%s: another feed: %v", name, err)
		}
	}
}
