package walk_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/walk"
)

const goodTypes = `{"feed":"f","id":"` + feedID + `","position":5,"types":[{"type":"A","events":2,"first":1,"last":3},{"type":"A","dataschema":"urn:1","events":3,"first":2,"last":5}],"more":false}`

// errOrigin stands for a fetch.OriginError.
var errOrigin = errors.New("another origin")

func TestTypesAreTakenOnlyIfTheyCanBeThoseOfTheFeed(t *testing.T) {
	t.Parallel()
	const linked = `<f/types>; rel="describedby"; type="application/json"`
	change := func(old, new string) string { return strings.Replace(goodTypes, old, new, 1) }
	for name, test := range map[string]struct {
		link   string
		status int
		body   string
		types  int
		want   error
	}{
		"as they are":         {linked, 200, goodTypes, 2, nil},
		"the first of many":   {linked, 200, strings.NewReplacer(`"position":5`, `"position":5000`, "false", "true").Replace(goodTypes), 2, nil},
		"without a link":      {"", 200, goodTypes, 0, nil},
		"missing":             {linked, 404, "", 0, nil},
		"no JSON":             {linked, 200, "<html>", 0, walk.ErrMismatch},
		"another feed's":      {linked, 200, change(feedID, "urn:uuid:other"), 0, walk.ErrMismatch},
		"too few events":      {linked, 200, change(`"events":2`, `"events":1`), 0, walk.ErrMismatch},
		"too many events":     {linked, 200, change(`"events":2`, `"events":3`), 0, walk.ErrMismatch},
		"no event":            {linked, 200, change(`"events":2`, `"events":0`), 0, walk.ErrMismatch},
		"a wrong place":       {linked, 200, change(`"last":5`, `"last":6`), 0, walk.ErrMismatch},
		"a type twice":        {linked, 200, change(`,"dataschema":"urn:1"`, ""), 0, walk.ErrMismatch},
		"lines in a type":     {linked, 200, change(`"A"`, `"A\n; DROP TABLE a"`), 0, walk.ErrMismatch},
		"lines in a schema":   {linked, 200, change(`"urn:1"`, `"urn:1\nDROP TABLE a"`), 0, walk.ErrMismatch},
		"more than it may be": {linked, 200, change(`"types":[`, `"types":[`+strings.Repeat(`{"type":"B","events":1,"first":1,"last":1},`, feed.MaxTypes)), 0, walk.ErrMismatch},
		"of another origin":   {`<http://other.example/types>; rel="describedby"; type="application/json"`, 200, goodTypes, 0, errOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/feeds/f":
					w.Header().Set("Link", test.link)
					send(w, r, http.StatusOK, 1, 5)
				default:
					w.WriteHeader(test.status)
					_, _ = w.Write([]byte(test.body))
				}
			}))
			t.Cleanup(web.Close)
			from, err := fetch.ParseURL(web.URL + "/feeds/f")
			must.OK(t, err)
			c := &walk.Client{Client: &fetch.Client{HTTP: web.Client(), Logger: slog.New(slog.DiscardHandler)}}
			head, err := c.Subscription(t.Context(), from, "", false)
			must.OK(t, err)
			types, err := c.Types(t.Context(), head)
			if _, is := errors.AsType[*fetch.OriginError](err); is {
				err = errOrigin
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if (types != nil) != (test.types > 0) || types != nil && len(types.Types) != test.types {
				t.Errorf("%+v", types)
			}
		})
	}
}
