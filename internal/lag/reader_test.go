package lag

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

func TestFeedThatIsNotOursAnyMoreDoesNotTell(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id><title>x</title><updated>2020-01-01T00:00:00Z</updated></feed>`))
	}))
	defer web.Close()
	asker := Asker{Client: func(raw string) (*walk.Client, error) {
		u, err := fetch.ParseURL(raw)
		must.OK(t, err)
		return &walk.Client{Client: &fetch.Client{HTTP: web.Client(), Logger: slog.New(slog.DiscardHandler), Feed: u}}, nil
	}}
	all := []Reader{{Status: checkpoint.Status{Checkpoint: checkpoint.Checkpoint{URL: web.URL}}}}
	asker.Ask(t.Context(), all, nil)
	if r := &all[0]; !errors.Is(r.Unknown, errForeign) || r.Behind() != "?" || r.State() != Stopped {
		t.Errorf("behind by %s, %s: %v", r.Behind(), r.State(), r.Unknown)
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
