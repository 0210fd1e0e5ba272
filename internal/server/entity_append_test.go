package server_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// entityAnswer is the answer to a POST to an entity's URL, or its problem.
type entityAnswer struct {
	Events []struct {
		Position int64
		URL      string
	}
	Version *int64
	ETag    string
	Detail  string
	Event   *struct{ Number int }
}

// postEntity posts events with these ids to an entity's URL.
func postEntity(t *testing.T, url string, ids []string, header ...string) (status int, answer entityAnswer) {
	t.Helper()
	var events []string
	for _, id := range ids {
		events = append(events, cloudEvent(id, `{"n":1}`))
	}
	response, body := post(t, url, "["+strings.Join(events, ",")+"]", append([]string{"Content-Type", batch}, header...)...)
	must.OK(t, json.Unmarshal([]byte(body), &answer))
	return response.StatusCode, answer
}

// TestPostToAnEntityHoldsToItsConditions, whatever the database.
func TestPostToAnEntityHoldsToItsConditions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		s := servertest.Publish(t, l, allowAppend)
		url := s.URL + "/feeds/f/entities/o-1"
		first := []string{"a1"}
		var last entityAnswer
		tagOf := func() string {
			response, _ := do(t, "GET", url, "Accept-Encoding", "gzip", "Accept", "text/html")
			return response.Header.Get("Etag")
		}
		// step posts, and expects a status and the version in the answer.
		step := func(name string, status int, version int64, ids []string, header ...string) {
			t.Helper()
			got, answer := postEntity(t, url, ids, header...)
			last = answer
			if got != status || answer.Version == nil && version >= 0 || answer.Version != nil && *answer.Version != version {
				t.Errorf("%s: %d %+v, want %d and version %d", name, got, answer, status, version)
			}
			if got == http.StatusPreconditionFailed && !strings.Contains(answer.Detail, "nothing of the request was appended") {
				t.Errorf("%s: %s", name, answer.Detail)
			}
		}
		step("* of nothing", 412, 0, first, "If-Match", "*")
		step("a version of nothing", 412, 0, first, "If-Match", `"1"`)
		step("new", 201, 1, first, "If-None-Match", "*")
		old := last.ETag
		if !strings.HasPrefix(old, `"1-1-`) {
			t.Errorf("ETag %s", old)
		}
		if response, _ := do(t, "GET", url); response.Header.Get("Etag") != old {
			t.Errorf("the answer has the ETag %s, GET %s", old, response.Header.Get("Etag"))
		}
		step("the same again", 201, 1, first, "If-None-Match", "*")
		step("new, and there already", 412, 1, []string{"a2"}, "If-None-Match", "*")
		if last.ETag != old {
			t.Errorf("412 with ETag %q, want %s", last.ETag, old)
		}
		step("its ETag in another form and coding", 201, 2, []string{"a2"}, "If-Match", tagOf())
		step("the same again with the ETag of then", 201, 2, []string{"a2"}, "If-Match", old)
		step("an old ETag", 412, 2, []string{"a3"}, "If-Match", old)
		step("a weak tag", 412, 2, []string{"a3"}, "If-Match", "W/"+tagOf())
		step("a tag of others", 412, 2, []string{"a3"}, "If-Match", `"x", "2-y", "02", "-2"`)
		for _, field := range []string{"If-Match", "If-None-Match"} {
			for _, wrong := range []string{"2", "", " ", ",", `"2`, "'2'", `w/"2"`, `2, "2"`, "*, *"} {
				step("no tag: "+wrong, 400, -1, []string{"a3"}, field, wrong)
				if !strings.Contains(last.Detail, "in quotes") {
					t.Errorf("%s: %s: %s", field, wrong, last.Detail)
				}
				if response, body := do(t, "GET", url, "If-Match", wrong); response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "in quotes") {
					t.Errorf("GET, If-Match: %s: %s %s", wrong, response.Status, body)
				}
			}
		}
		step("its version", 201, 3, []string{"a3"}, "If-Match", `"2"`)
		step("one of several", 201, 5, []string{"a4", "a5"}, "If-Match", `"x", "2", W/"3", "3", `+old)
		wrong := strings.Split(tagOf(), "-")
		wrong[2] = strings.Repeat("0", 16)
		step("the version of another history", 412, 5, []string{"a6"}, "If-Match", strings.Join(wrong, "-"))
		step("*", 201, 6, []string{"a6"}, "If-Match", "*")
		step("no condition", 201, 7, []string{"a7"})
		step("the first again, much later", 201, 1, first, "If-None-Match", "*")
		if last.ETag != old {
			t.Errorf("the same answer again has the ETag %q, want %s", last.ETag, old)
		}
		step("all again and one more", 201, 8, []string{"a7", "a8"}, "If-Match", `"7"`)
		step("all again and one more, too late", 412, 8, []string{"a8", "a9"}, "If-Match", `"7"`)
		step("both", 400, -1, []string{"a9"}, "If-Match", "*", "If-None-Match", "*")
		step("If-None-Match with a tag", 400, -1, []string{"a9"}, "If-None-Match", `"8"`)
		step("no event", 200, -1, nil, "If-Match", `"1"`)
		if position, _ := storetest.Verify(t, l, "f"); position != 8 {
			t.Errorf("%d events", position)
		}
		for _, e := range storetest.Read(t, l, "f") {
			if e.Subject != "o-1" {
				t.Errorf("event %s has the subject %q", e.ID, e.Subject)
			}
		}
	})
}

// TestOfSeveralConditionalPostsOneAppends: all that required the same state.
func TestOfSeveralConditionalPostsOneAppends(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		s := servertest.Publish(t, l, allowAppend)
		url := s.URL + "/feeds/f/entities/?subject=a%2Fb"
		_, answer := postEntity(t, url, []string{"first"}, "If-None-Match", "*")
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				status, _ := postEntity(t, url, []string{fmt.Sprint("second ", n)}, "If-Match", answer.ETag)
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
		}
		all.Wait()
		if statuses[201] != 1 || statuses[412] != 5 {
			t.Errorf("%v", statuses)
		}
		if _, end := do(t, "GET", url+"&format=cloudevents"); strings.Count(string(end), `"efversion"`) != 2 {
			t.Errorf("%s", end)
		}
	})
}

func TestPostToAnEntityTakesItsEventsOnly(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	storetest.Create(t, l, "plain", 10)
	_, err := l.Create(t.Context(), store.Feed{Name: "held", Entities: true, Held: true})
	must.OK(t, err)
	s := servertest.Publish(t, l, allowAppend)
	event := func(id, subject string) string {
		return strings.Replace(cloudEvent(id, "1"), `"type"`, `"efversion":"7","subject":"`+subject+`","type"`, 1)
	}
	url := s.URL + "/feeds/f/entities/o-1"
	response, body := post(t, url, "["+event("a1", "o-1")+","+event("a2", "o-2")+"]", "Content-Type", batch)
	var answer entityAnswer
	must.OK(t, json.Unmarshal([]byte(body), &answer))
	if response.StatusCode != http.StatusUnprocessableEntity || answer.Event == nil || answer.Event.Number != 2 || !strings.Contains(answer.Detail, `"o-2"`) {
		t.Errorf("another subject: %s %s", response.Status, body)
	}
	if events := storetest.Read(t, l, "f"); len(events) > 0 {
		t.Errorf("%d events were appended", len(events))
	}
	response, body = post(t, url, event("a1", "o-1"), "Content-Type", structured)
	at, err := response.Location()
	must.OK(t, err)
	if response.StatusCode != http.StatusCreated || at.String() != s.URL+"/feeds/f/events/a1?source=%2Fs" {
		t.Errorf("%s %s %s", response.Status, at, body)
	}
	if response, _ := do(t, "GET", at.String()); response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", at, response.Status)
	}
	for _, e := range storetest.Read(t, l, "f") {
		if len(e.Extensions) > 0 {
			t.Errorf("extensions %v", e.Extensions)
		}
	}
	for path, want := range map[string]int{"plain/entities/o-1": 404, "none/entities/o-1": 404, "f/entities/": 404, "held/entities/o-1": 409} {
		if status, answer := postEntity(t, s.URL+"/feeds/"+path, []string{"x"}, "If-None-Match", "*"); status != want {
			t.Errorf("%s: %d %+v", path, status, answer)
		}
	}
	if status, answer := postEntity(t, s.URL+"/feeds/held/entities/o-1", []string{"x"}); status != http.StatusAccepted || answer.Version == nil || *answer.Version != 1 || answer.ETag != "" {
		t.Errorf("a held feed without a condition: %d %+v", status, answer)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/feeds/f/entities/?subject=o-1", strings.NewReader("[]"))
	request.RequestURI = ""
	response, err = client.Do(request)
	must.OK(t, err)
	must.OK(t, response.Body.Close())
	if response.StatusCode != http.StatusPermanentRedirect || response.Header.Get("Location") != "o-1" {
		t.Errorf("another URL: %s %s", response.Status, response.Header.Get("Location"))
	}
}

// TestPostToAFeedRefusesConditions: it has no state that a condition could name, and must not append as
// if there were none.
func TestPostToAFeedRefusesConditions(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	s := servertest.Publish(t, l, allowAppend)
	for _, field := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
		status, answer := postEntity(t, s.URL+"/feeds/f", []string{"x"}, field, "*")
		if status != http.StatusBadRequest || !strings.Contains(answer.Detail, "/feeds/f/entities/SUBJECT") {
			t.Errorf("%s: %d %s", field, status, answer.Detail)
		}
	}
	if events := storetest.Read(t, l, "f"); len(events) > 0 {
		t.Errorf("%d events were appended", len(events))
	}
}

// TestAnETagOfALostHistoryMatchesNothing: after a restore other events gave the entity the same version.
func TestAnETagOfALostHistoryMatchesNothing(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	lost := storetest.Open(t, url)
	storetest.CreateWithEntities(t, lost, "f")
	storetest.Append(t, lost, "f", about("o-1", 1, 2))
	storetest.Drain(t, lost, "f")
	backup := filepath.Join(t.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, sqlitedb.Scheme))
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", backup)
	must.OK(t, errors.Join(err, db.Close()))
	storetest.Append(t, lost, "f", about("o-1", 3, 3))
	storetest.Drain(t, lost, "f")
	before, _ := do(t, "GET", servertest.Serve(t, lost).URL+"/feeds/f/entities/o-1")
	old := before.Header.Get("Etag")

	restored := storetest.Open(t, sqlitedb.Scheme+backup)
	must.OK(t, restored.NewEpoch(t.Context(), "f", "restore"))
	other := about("o-1", 3, 3)
	other[0].ID = "another"
	storetest.Append(t, restored, "f", other)
	storetest.Drain(t, restored, "f")
	s := servertest.Publish(t, restored, allowAppend)
	if response, body := do(t, "GET", s.URL+"/feeds/f/entities/o-1", "If-None-Match", old); response.StatusCode != http.StatusOK || !strings.Contains(string(body), "another") {
		t.Errorf("GET: %s", response.Status)
	}
	if status, answer := postEntity(t, s.URL+"/feeds/f/entities/o-1", []string{"x"}, "If-Match", old); status != http.StatusPreconditionFailed || *answer.Version != 3 {
		t.Errorf("POST with the old ETag: %d %+v", status, answer)
	}
	if status, answer := postEntity(t, s.URL+"/feeds/f/entities/o-1", []string{"x"}, "If-Match", old+`, "3"`); status != http.StatusCreated || *answer.Version != 4 {
		t.Errorf("POST with the version: %d %+v", status, answer)
	}
}
