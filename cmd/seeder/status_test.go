package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestFeedsAreAskedWithThePasswordsOfTheirOwnURLs: the database holds none.
func TestFeedsAreAskedWithThePasswordsOfTheirOwnURLs(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.SQLite(t))
	f := storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 95))
	storetest.Drain(t, l, "f")
	real := servertest.Handler(t, l)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, token, _ := r.BasicAuth(); token != "secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		real.ServeHTTP(w, r)
	}))
	defer web.Close()
	stored := web.URL + "/feeds/f"
	given := strings.Replace(stored, "http://", "http://anyone:secret@", 1)
	field := []string{"Authorization: Basic YW55b25lOnNlY3JldA=="} // anyone:secret
	end, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	for _, test := range []struct {
		from    []string
		network network
		want    string
	}{
		{nil, network{}, "?"},
		{nil, network{fields: field}, "?"}, // of which nobody has said that this server may know it
		{[]string{given + "/other"}, network{}, "?"},
		{[]string{stored + "/other"}, network{fields: field}, "?"},
		{[]string{"http://anyone:wrong@nowhere.example/", given}, network{}, "0"},
		{[]string{stored}, network{fields: field}, "0"},
	} {
		asker, err := newAsker(test.from, &test.network)
		must.OK(t, err)
		all := []lag.Reader{{Status: checkpoint.Status{Checkpoint: checkpoint.Checkpoint{
			FeedID: f.ID, URL: stored, Epoch: end.Epochs[0].ID, Position: end.Position, Digest: end.Digest,
		}}}}
		asker.ask(t.Context(), all, nil)
		if got := all[0].Behind(); got != test.want {
			t.Errorf("%q: behind by %s, want %s: %v", test.from, got, test.want, all[0].Unknown)
		}
	}
}
