package operations_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/httpd/operations"
)

// TestRootIsAPageInTheFormThatTheClientPrefers: a browser gets HTML, a program that asks for
// JSON gets JSON, and curl gets text.
func TestRootIsAPageInTheFormThatTheClientPrefers(t *testing.T) {
	t.Parallel()
	handler := operations.Handler(operations.Config{
		Metrics: prometheus.NewRegistry(),
		Root:    operations.Page(func(_ context.Context, form operations.Form) ([]byte, error) { return []byte("as " + form), nil }),
	})
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
	for _, test := range []struct {
		query, accept string
		want          int
		body          string
	}{
		{"", "", 200, "as text"},
		{"", "*/*", 200, "as text"},
		{"", "text/plain", 200, "as text"},
		{"", "image/png", 200, "as text"},
		{"", browser, 200, "as html"},
		{"", "text/html, */*", 200, "as html"},
		{"", "application/json", 200, "as json"},
		{"", "application/json, */*;q=0.5", 200, "as json"},
		{"", "text/html;q=0.1, application/json;q=0.2, text/plain;q=0", 200, "as json"},
		{"", "text/html;q=x, ;;, application/json;q=2", 200, "as text"},
		{"?format=json", browser, 200, "as json"},
		{"?format=html", "*/*", 200, "as html"},
		{"?format=text", browser, 200, "as text"},
		{"?format=xml", browser, 400, "there is no format \"xml\" here; there is text, html and json\n"},
		{"?format=", "*/*", 400, "there is no format \"\" here; there is text, html and json\n"},
		{"?fromat=json", "*/*", 400, "there is no parameter \"fromat\" here, only format; did you mean format?\n"},
		{"?page=2", "*/*", 400, "there is no parameter \"page\" here, only format\n"},
		{"?format=%zz", "*/*", 400, "query \"format=%zz\": invalid URL escape \"%zz\"\n"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+test.query, http.NoBody)
		if test.accept != "" {
			r.Header.Set("Accept", test.accept)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.want || w.Body.String() != test.body {
			t.Errorf("%q as %q: %d %q, want %d %q", test.query, test.accept, w.Code, w.Body, test.want, test.body)
		}
		mediaType := map[string]string{"as html": "text/html; charset=utf-8", "as json": "application/json"}[test.body]
		if mediaType == "" {
			mediaType = "text/plain; charset=utf-8"
		}
		if got := w.Header().Get("Content-Type"); got != mediaType || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q as %q: %q, %q", test.query, test.accept, got, w.Header())
		}
		if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(mediaType, "html") != strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%q as %q: the policy is %q", test.query, test.accept, policy)
		}
	}
}

// TestPageMayHaveParametersOfItsOwn: they are handed on, and what is wrong with them is answered with 400.
func TestPageMayHaveParametersOfItsOwn(t *testing.T) {
	t.Parallel()
	handler := operations.PageOf([]string{"feed"}, func(_ context.Context, form operations.Form, query url.Values) ([]byte, error) {
		if query.Get("feed") == "none" {
			return nil, operations.BadRequest(errors.New("there is no such feed"))
		}
		return []byte(string(form) + " of " + query.Get("feed")), nil
	})
	for query, want := range map[string]string{
		"?feed=orders": "200 text of orders", "?feed=orders&format=json": "200 json of orders", "?feed=none": "400 there is no such feed\n",
		"?fed=orders": "400 there is no parameter \"fed\" here, only format, feed; did you mean feed?\n",
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+query, http.NoBody))
		if got := fmt.Sprint(w.Code, " ", w.Body); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
