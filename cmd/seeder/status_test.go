package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
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
	storetest.Must(t, err)
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
		storetest.Must(t, err)
		all := []standing{{Standing: checkpoint.Standing{Checkpoint: checkpoint.Checkpoint{
			FeedID: f.ID, URL: stored, Epoch: end.Epochs[0].ID, Position: end.Position, Digest: end.Digest,
		}}}}
		asker.ask(t.Context(), all, nil)
		if got := all[0].behind(); got != test.want {
			t.Errorf("%q: behind by %s, want %s: %v", test.from, got, test.want, all[0].unknown)
		}
	}
}

func TestFeedThatIsNotOursAnyMoreDoesNotTell(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id><title>x</title><updated>2020-01-01T00:00:00Z</updated></feed>`))
	}))
	defer web.Close()
	asker, err := newAsker(nil, &network{})
	storetest.Must(t, err)
	all := []standing{{Standing: checkpoint.Standing{Checkpoint: checkpoint.Checkpoint{URL: web.URL}}}}
	asker.ask(t.Context(), all, nil)
	if !errors.Is(all[0].unknown, errForeign) || all[0].behind() != "?" || all[0].state() != stateStopped {
		t.Errorf("behind by %s, %s: %v", all[0].behind(), all[0].state(), all[0].unknown)
	}
}

func TestDurationsAreSaidRoughly(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                            "0s",
		1234 * time.Microsecond:      "1ms",
		1700 * time.Millisecond:      "2s",
		200 * time.Second:            "3m20s",
		26*time.Hour + 3*time.Minute: "26h3m",
		50 * time.Hour:               "2 days",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
