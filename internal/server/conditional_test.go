package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// ask sends a request with a header that may have several fields of a name.
func ask(t *testing.T, method, url string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must.OK(t, err)
	request.Header.Set("Accept-Encoding", "identity")
	maps.Copy(request.Header, header)
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return response, body
}

// settled waits until the feed's documents have a Last-Modified.
func settled(t *testing.T, l *store.Log) {
	t.Helper()
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	time.Sleep(time.Until(f.Modified.Add(time.Second + 10*time.Millisecond)))
}

// resources are a URL of each kind, in each form.
func resources(t *testing.T, l *store.Log, s *httptest.Server) []string {
	urls := []string{s.URL + "/", s.URL + "/?format=html"}
	for _, form := range []string{"", "?format=atom", "?format=html", "?format=rss", "?format=json", "?format=cloudevents"} {
		urls = append(urls, s.URL+"/feeds/f"+form)
	}
	urls = append(urls, s.URL+feed.SitePath("f"))
	for _, form := range []string{"", "?format=atom", "?format=html", "?format=cloudevents"} {
		urls = append(urls, archiveURL(t, l, s, 1)+form, archiveURL(t, l, s, 2)+form)
	}
	for _, form := range []string{"", "?format=atom", "?format=html", "?format=cloudevents"} {
		urls = append(urls, s.URL+"/feeds/f/events/7"+form)
	}
	return urls
}

func TestIfNoneMatchIsReadToTheLetter(t *testing.T) {
	l, s := serve(t)
	for _, url := range resources(t, l, s) {
		have, _ := do(t, "GET", url)
		tag := have.Header.Get("ETag")
		for name, test := range map[string]struct {
			fields []string
			status int
		}{
			"the tag":                   {[]string{tag}, 304},
			"weakly":                    {[]string{"W/" + tag}, 304},
			"any":                       {[]string{"*"}, 304},
			"any, with space":           {[]string{" * "}, 304},
			"last of a list":            {[]string{`"a", W/"b" ,` + tag}, 304},
			"no space":                  {[]string{`"a","b",` + tag}, 304},
			"empty elements":            {[]string{` , ,"a",, ` + tag + ` ,`}, 304},
			"tabs":                      {[]string{"\"a\"\t,\t" + tag}, 304},
			"comma in another":          {[]string{`"a,b", ` + tag}, 304},
			"backslash ends no tag":     {[]string{`"a\", ` + tag}, 304},
			"second field":              {[]string{`"a"`, tag}, 304},
			"third field":               {[]string{`"a"`, "", `"b", ` + tag}, 304},
			"another":                   {[]string{`"a"`}, 200},
			"empty tag":                 {[]string{`""`}, 200},
			"any inside a tag":          {[]string{`"a,*,b"`}, 200},
			"any among others":          {[]string{`"a", *`}, 200},
			"without quotes":            {[]string{strings.Trim(tag, `"`)}, 200},
			"small w":                   {[]string{"w/" + tag}, 200},
			"part of it":                {[]string{tag[:len(tag)-2] + `"`}, 200},
			"as part of another":        {[]string{`"x` + tag[1:]}, 200},
			"what follows is no list":   {[]string{`nonsense ` + tag}, 200},
			"nothing":                   {[]string{""}, 200},
			"an end that never comes":   {[]string{`"a, ` + strings.TrimSuffix(tag, `"`)}, 200},
			"tag of another coding":     {[]string{strings.TrimSuffix(tag, `"`) + `-gzip"`}, 200},
			"tag of the coding, quoted": {[]string{`"` + tag + `"`}, 200},
		} {
			response, body := ask(t, "GET", url, http.Header{"If-None-Match": test.fields})
			if response.StatusCode != test.status || (len(body) == 0) != (test.status == 304) {
				t.Errorf("%s: %s: %q: %d with %d bytes", url, name, test.fields, response.StatusCode, len(body))
			}
		}
	}
}

func TestIfNoneMatchGoesBeforeIfModifiedSince(t *testing.T) {
	l, s := serve(t)
	settled(t, l)
	late := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, url := range resources(t, l, s) {
		for _, tags := range []string{`"other"`, "nonsense", ""} {
			response, _ := ask(t, "GET", url, http.Header{"If-None-Match": {tags}, "If-Modified-Since": {late}})
			if response.StatusCode != 200 {
				t.Errorf("%s: If-None-Match %q: %d", url, tags, response.StatusCode)
			}
		}
		have, _ := do(t, "GET", url)
		response, _ := do(t, "GET", url, "If-None-Match", have.Header.Get("ETag"), "If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")
		if response.StatusCode != 304 {
			t.Errorf("%s: If-None-Match with its tag: %d", url, response.StatusCode)
		}
	}
}

func TestIfModifiedSinceIsReadToTheLetter(t *testing.T) {
	l, s := serve(t)
	settled(t, l)
	for _, url := range []string{s.URL + "/feeds/f", s.URL + feed.SitePath("f"), s.URL + "/feeds/f?format=rss", s.URL + "/feeds/f?format=json", s.URL + "/feeds/f?format=cloudevents", archiveURL(t, l, s, 1)} {
		have, _ := do(t, "GET", url)
		modified, err := http.ParseTime(have.Header.Get("Last-Modified"))
		if err != nil {
			t.Fatalf("%s: Last-Modified: %v", url, err)
		}
		for name, test := range map[string]struct {
			fields []string
			status int
		}{
			"the same":         {[]string{modified.Format(http.TimeFormat)}, 304},
			"later":            {[]string{modified.Add(time.Second).Format(http.TimeFormat)}, 200}, // it does not say which version the client has
			"in RFC 850 form":  {[]string{modified.Format("Monday, 02-Jan-06 15:04:05 GMT")}, 304},
			"in asctime form":  {[]string{modified.Format(time.ANSIC)}, 304},
			"before":           {[]string{modified.Add(-time.Second).Format(http.TimeFormat)}, 200},
			"no date":          {[]string{"yesterday"}, 200},
			"RFC 3339 is none": {[]string{modified.Add(time.Hour).Format(time.RFC3339)}, 200},
			"a number":         {[]string{"99999999999"}, 200},
			"two":              {[]string{modified.Format(http.TimeFormat), modified.Format(http.TimeFormat)}, 200},
			"nothing":          {[]string{""}, 200},
		} {
			response, body := ask(t, "GET", url, http.Header{"If-Modified-Since": test.fields})
			if response.StatusCode != test.status || (len(body) == 0) != (test.status == 304) {
				t.Errorf("%s: %s: %q: %d", url, name, test.fields, response.StatusCode)
			}
		}
	}
}

func TestIfMatchAndIfUnmodifiedSinceRefuseWithAProblem(t *testing.T) {
	l, s := serve(t)
	settled(t, l)
	for _, url := range resources(t, l, s) {
		have, whole := do(t, "GET", url)
		tag := have.Header.Get("ETag")
		old, late := "Thu, 01 Jan 1970 00:00:00 GMT", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
		since := 200 // where there is no Last-Modified, If-Unmodified-Since says nothing
		if have.Header.Get("Last-Modified") != "" {
			since = 412
		}
		for name, test := range map[string]struct {
			header http.Header
			status int
		}{
			"its tag":              {http.Header{"If-Match": {`"a", ` + tag}}, 200},
			"any":                  {http.Header{"If-Match": {"*"}}, 200},
			"another":              {http.Header{"If-Match": {`"a"`}}, 412},
			"weak":                 {http.Header{"If-Match": {"W/" + tag}}, 412}, // strong comparison
			"no tag":               {http.Header{"If-Match": {"nonsense"}}, 412},
			"before If-None-Match": {http.Header{"If-Match": {`"a"`}, "If-None-Match": {tag}}, 412},
			"then If-None-Match":   {http.Header{"If-Match": {tag}, "If-None-Match": {tag}}, 304},
			"before the delta":     {http.Header{"If-Match": {`"a"`}, "If-None-Match": {`"b"`}, "A-Im": {"feed"}}, 412},
			"unmodified":           {http.Header{"If-Unmodified-Since": {late}}, 200},
			"modified":             {http.Header{"If-Unmodified-Since": {old}}, since},
			"no date":              {http.Header{"If-Unmodified-Since": {"nonsense"}}, 200},
			"two dates":            {http.Header{"If-Unmodified-Since": {old, old}}, 200},
			"If-Match goes before": {http.Header{"If-Match": {tag}, "If-Unmodified-Since": {old}}, 200},
		} {
			response, body := ask(t, "GET", url, test.header)
			if response.StatusCode != test.status {
				t.Errorf("%s: %s: %d", url, name, response.StatusCode)
				continue
			}
			switch test.status {
			case 412:
				checkProblem(t, response, body)
			case 200:
				if !bytes.Equal(body, whole) {
					t.Errorf("%s: %s: another document", url, name)
				}
			}
		}
	}
}

// checkProblem holds an answer to RFC 9457.
func checkProblem(t *testing.T, response *http.Response, body []byte) {
	t.Helper()
	var problem struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	err := json.Unmarshal(body, &problem)
	if err != nil || response.Header.Get("Content-Type") != "application/problem+json" ||
		problem.Status != response.StatusCode || problem.Type != "about:blank" ||
		problem.Title != http.StatusText(response.StatusCode) || len(problem.Detail) < 10 || !strings.HasPrefix(problem.Instance, "/") {
		t.Errorf("%s: %d %v: %s (%v)", response.Request.URL, response.StatusCode, response.Header, body, err)
	}
	if h := response.Header; h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" || h.Get("Last-Modified") != "" {
		t.Errorf("%s: %d is described as a document: %v", response.Request.URL, response.StatusCode, h)
	}
}

func Test304HasTheFieldsThatUpdateACache(t *testing.T) {
	l, s := serve(t)
	settled(t, l)
	for _, url := range resources(t, l, s) {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			whole, _ := do(t, "GET", url, "Accept-Encoding", coding)
			for _, condition := range [][2]string{{"If-None-Match", whole.Header.Get("ETag")}, {"If-Modified-Since", whole.Header.Get("Last-Modified")}} {
				if condition[1] == "" {
					continue
				}
				for _, method := range []string{"GET", "HEAD"} {
					response, body := do(t, method, url, "Accept-Encoding", coding, condition[0], condition[1])
					if response.StatusCode != 304 || len(body) != 0 {
						t.Errorf("%s %s: %s: %d with %d bytes", method, url, condition[0], response.StatusCode, len(body))
					}
					for _, field := range []string{"Cache-Control", "Content-Location", "ETag", "Expires", "Vary"} {
						if response.Header.Get(field) != whole.Header.Get(field) {
							t.Errorf("%s %s: %s %q, in the 200 %q", method, url, field, response.Header.Get(field), whole.Header.Get(field))
						}
					}
					if response.Header.Get("Date") == "" {
						t.Errorf("%s %s: no Date", method, url)
					}
					for _, field := range []string{"Content-Type", "Content-Encoding", "Content-Length", "Last-Modified"} {
						if got := response.Header.Get(field); got != "" {
							t.Errorf("%s %s: %s %q describes a body that is not there", method, url, field, got)
						}
					}
				}
			}
		}
	}
}

// TestNoTwoVersionsHaveTheSameLastModified holds RFC 9110 section 8.8.2: also that
// none is later than Date.
func TestNoTwoVersionsHaveTheSameLastModified(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 10)
	s := servertest.Serve(t, l)
	var before time.Time
	etagOf := map[string]string{}
	look := func(why string, want ...bool) {
		t.Helper()
		response, _ := do(t, "GET", s.URL+"/feeds/f")
		date, err := http.ParseTime(response.Header.Get("Date"))
		must.OK(t, err)
		value := response.Header.Get("Last-Modified")
		if len(want) > 0 && (value != "") != want[0] {
			t.Errorf("%s: Last-Modified %q", why, value)
		}
		if value == "" {
			return
		}
		modified, err := http.ParseTime(value)
		must.OK(t, err)
		if !modified.Before(date) || modified.Before(before) {
			t.Errorf("%s: Last-Modified %v on %v, and %v before", why, modified, date, before)
		}
		before = modified
		if other := etagOf[value]; other != "" && other != response.Header.Get("ETag") {
			t.Errorf("%s: two documents of %s", why, value)
		}
		etagOf[value] = response.Header.Get("ETag")
	}
	settled(t, l)
	look("an empty feed", true)
	for round := range 2 {
		storetest.Append(t, l, "f", storetest.Events(round*15+1, round*15+15))
		_, err := l.Sequence(t.Context(), "f", 1000)
		must.OK(t, err)
		look("perhaps within the second")
		settled(t, l)
		look("a page waits to be sealed", true)
		storetest.Drain(t, l, "f")
		look("perhaps within the second")
		settled(t, l)
		look("all is sealed", true)
	}
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	look("an epoch has begun, and what was lost may have had any time before", false)
	storetest.Append(t, l, "f", storetest.Events(100, 100))
	storetest.Drain(t, l, "f")
	look("an event in the new epoch", false)
}

// TestIfModifiedSinceIsNotAnsweredWithACommitThatWasSlow: what is written down in
// the second in which the document changed before may be seen long afterwards.
func TestIfModifiedSinceIsNotAnsweredWithACommitThatWasSlow(t *testing.T) {
	t.Parallel()
	url := storetest.Databases["postgres"](t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `
		CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(2); RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE UPDATE ON eventfeed.feeds FOR EACH ROW WHEN (NEW.position % 2 = 0) EXECUTE FUNCTION public.slow()`)
	must.OK(t, err)
	s := servertest.Serve(t, l)
	sequence := func() {
		_, err := l.Sequence(context.WithoutCancel(t.Context()), "f", 1)
		must.OK(t, err)
	}
	for n := 1; n < 9; n += 2 {
		storetest.Append(t, l, "f", storetest.Events(n, n+1))
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		sequence()
		var slow sync.WaitGroup
		slow.Go(sequence)
		var first *http.Response
		for first == nil || first.Header.Get("Last-Modified") == "" {
			first, _ = do(t, "GET", s.URL+"/feeds/f")
			time.Sleep(10 * time.Millisecond)
		}
		slow.Wait()
		second, _ := do(t, "GET", s.URL+"/feeds/f")
		if first.Header.Get("ETag") == second.Header.Get("ETag") {
			continue // this machine was slow itself
		}
		settled(t, l)
		response, _ := do(t, "GET", s.URL+"/feeds/f", "If-Modified-Since", first.Header.Get("Last-Modified"))
		if response.StatusCode != 200 {
			t.Errorf("%d for a document that has changed", response.StatusCode)
		}
		return
	}
}
