package server_test

import (
	"bytes"
	"strings"
	"testing"
)

func TestHTMLPagesRefuseUnknownAndRepeatedParameters(t *testing.T) {
	l, s := serve(t)
	feed, archive, event := s.URL+"/feeds/f", archiveURL(t, l, s, 1), s.URL+"/feeds/f/events/7"
	for _, test := range []struct {
		url    string
		status int
		says   string
	}{
		{feed + "?", 200, ""},
		{feed + "?format=", 200, ""},
		{feed + "?nothing=", 200, ""}, // forms send their empty fields
		{s.URL + "/?utm_source=mail", 400, "no parameter &#34;utm_source&#34;"},
		{feed + "?formt=html", 400, "did you mean format?"},
		{feed + "?format=html&format=html", 400, "more than once"},
		{feed + "?format=html&format=", 200, ""},
		{feed + "?format=%zz", 400, "cannot be read"},
		{feed + "?%E2%80%AE=1", 400, `\u202e`},
		{archive + "?pag=2", 400, "no parameter &#34;pag&#34;"},
		{event + "?sauce=/f", 400, "did you mean source?"},
	} {
		response, body := do(t, "GET", test.url, "Accept", "text/html")
		if response.StatusCode != test.status || !strings.Contains(string(body), test.says) || essence(response) != "text/html" {
			t.Errorf("%s: %d %s, want %d and %q", test.url, response.StatusCode, body, test.status, test.says)
		}
		if test.status == 400 && response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", test.url, response.Header)
		}
	}
}

func TestOtherFormsIgnoreUnknownParameters(t *testing.T) {
	l, s := serve(t)
	const unknown = "utm_source=mail&x=1&x=2&type=T&q=1&page=999&%zz"
	for _, url := range []string{
		s.URL + "/?", s.URL + "/feeds/f?", s.URL + "/feeds/f?format=atom&", s.URL + "/feeds/f?format=rss&", s.URL + "/feeds/f?format=json&",
		s.URL + "/feeds/f?format=cloudevents&", archiveURL(t, l, s, 1) + "?", archiveURL(t, l, s, 1) + "?format=cloudevents&",
		s.URL + "/feeds/f/events/7?format=cloudevents&",
	} {
		want, wantBody := do(t, "GET", strings.TrimRight(url, "?&"))
		got, body := do(t, "GET", url+unknown)
		if got.StatusCode != 200 || want.StatusCode != 200 || !bytes.Equal(body, wantBody) || got.Header.Get("ETag") != want.Header.Get("ETag") {
			t.Errorf("%s: %d %s, without the parameters %d %s", url+unknown, got.StatusCode, got.Header.Get("ETag"), want.StatusCode, want.Header.Get("ETag"))
		}
	}
}
