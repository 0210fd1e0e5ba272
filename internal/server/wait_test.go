package server_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// publish is serve with a server that gives events their positions itself.
func publish(t *testing.T, change ...func(*server.Config)) (*store.Log, *httptest.Server) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	storetest.Append(t, l, "f", storetest.Events(1, 250))
	storetest.Drain(t, l, "f")
	return l, servertest.Publish(t, l, change...)
}

func TestWaitingReaderIsAnsweredWhenThereIsSomethingNew(t *testing.T) {
	l, s := publish(t)
	have, _ := do(t, "GET", s.URL+"/feeds/f")
	answered := make(chan *http.Response)
	for _, header := range [][]string{{}, {"A-IM", "feed"}} {
		go func() {
			response, _ := do(t, "GET", s.URL+"/feeds/f", append(header, "If-None-Match", have.Header.Get("ETag"), "Prefer", "respond-async, wait=50")...)
			answered <- response
		}()
	}
	select {
	case response := <-answered:
		t.Fatalf("answered %d before there was anything new", response.StatusCode)
	case <-time.After(200 * time.Millisecond):
	}
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	statuses := map[int]bool{}
	for range 2 {
		response := <-answered
		statuses[response.StatusCode] = true
		if applied := response.Header.Get("Preference-Applied"); applied != "wait=50" {
			t.Errorf("Preference-Applied: %q", applied)
		}
	}
	if !statuses[200] || !statuses[226] {
		t.Errorf("answered with %v", statuses)
	}
}

func TestWaitEndsWith304WhenTheTimeIsOver(t *testing.T) {
	_, s := publish(t, func(c *server.Config) { c.MaxWait = time.Second })
	have, _ := do(t, "GET", s.URL+"/feeds/f")
	for _, prefer := range []string{"wait=1", "wait=3600", `WAIT="7" ; x`} {
		started := time.Now()
		response, _ := do(t, "GET", s.URL+"/feeds/f", "If-None-Match", have.Header.Get("ETag"), "Prefer", prefer)
		if response.StatusCode != 304 || response.Header.Get("Preference-Applied") != "wait=1" || response.Header.Get("Vary") != "Accept, Accept-Encoding, A-IM, Prefer" {
			t.Errorf("%s: %d %v", prefer, response.StatusCode, response.Header)
		}
		if held := time.Since(started); held < time.Second {
			t.Errorf("%s: held for %v", prefer, held)
		}
	}
}

func TestWhatNeedNotWaitDoesNot(t *testing.T) {
	_, s := publish(t)
	have, _ := do(t, "GET", s.URL+"/feeds/f")
	for name, header := range map[string][]string{
		"another document":    {"If-None-Match", `"x"`, "Prefer", "wait=50"},
		"no condition":        {"Prefer", "wait=50"},
		"no preference":       {"If-None-Match", have.Header.Get("ETag")},
		"wait of nothing":     {"If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=0"},
		"wait that is none":   {"If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=soon"},
		"wait below nothing":  {"If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=-5"},
		"first of two counts": {"If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=0, wait=50"},
	} {
		started := time.Now()
		response, _ := do(t, "GET", s.URL+"/feeds/f", header...)
		if held := time.Since(started); held > 30*time.Second {
			t.Errorf("%s: held for %v", name, held)
		}
		if applied := response.Header.Get("Preference-Applied"); applied != "" && name != "another document" {
			t.Errorf("%s: Preference-Applied: %s", name, applied)
		}
	}
}

func TestServerThatStopsAnswersThoseWhoWait(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	var handler *server.Server
	s := servertest.Publish(t, l, func(*server.Config) {}, func(c *server.Config) { handler = server.New(*c) })
	web := httptest.NewServer(handler)
	defer web.Close()
	defer s.Close()
	have, _ := do(t, "GET", web.URL+"/feeds/f")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			response, _ := do(t, "GET", web.URL+"/feeds/f", "If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=50")
			if response.StatusCode != 304 {
				t.Errorf("answered with %d", response.StatusCode)
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); handler.Waiting() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the requests do not wait, so that there is nothing to release")
		}
	}
	handler.Release()
	all.Wait()
}
