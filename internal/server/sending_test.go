package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// largeData is more than the kernel takes for a connection that nobody reads, see startWeb.
const (
	largeData = 1 << 20
	newData   = 800_000
	pageBytes = 900_000 // newData fits a page, which stays open
)

// serveLarge serves a feed "f" with four sealed pages of one large event each, and one
// large event after them.
func serveLarge(t *testing.T) (*Server, *httptest.Server) {
	t.Helper()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 2, PageBytes: pageBytes})
	must.OK(t, err)
	events := storetest.Events(1, 5)
	for i := range events {
		size := largeData
		if i == len(events)-1 {
			size = newData
		}
		events[i].DataContentType, events[i].Data = "text/plain", bytes.Repeat(fmt.Appendf(nil, "%7d\n", i), size/8)
		storetest.Append(t, l, "f", events[i:i+1])
	}
	storetest.Drain(t, l, "f")
	s := New(Config{Log: l, Feeds: runFeeds(t, l)})
	web := startWeb(t, s)
	t.Cleanup(s.Release)
	return s, web
}

// startWeb serves over connections for which the kernel keeps little that nobody reads.
func startWeb(t *testing.T, s *Server) *httptest.Server {
	t.Helper()
	web := httptest.NewUnstartedServer(s)
	web.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if err := conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
			t.Error(err)
		}
		return ctx
	}
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	return web
}

// runFeeds returns the states of a log's feeds, which are kept up to date until the
// end of the test: 5 s later a server would take the database for cut off.
func runFeeds(t *testing.T, l *store.Log) *feedstate.Feeds {
	t.Helper()
	feeds, err := feedstate.Open(t.Context(), l, nil)
	must.OK(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- feeds.Run(ctx) }()
	t.Cleanup(func() { cancel(); must.OK(t, <-ended) })
	return feeds
}

// slowly asks for something, and reads no more than the header of the answer.
func slowly(t *testing.T, web *httptest.Server, path string, header ...string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(web.URL, "http://"))
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must.OK(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+strings.Join(append(header, "", ""), "\r\n"))
	must.OK(t, err)
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	must.OK(t, err)
	return conn, response
}

// readers is how many requests are being sent a body that counts.
func (b *bodies) readers() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range b.open {
		for _, requests := range body.senders {
			n += requests
		}
	}
	return n
}

func archivePath(s *Server, number int) string {
	return fmt.Sprintf("/feeds/f/archive/%s/%d", s.Feeds.All()[0].Epochs[0].ID, number)
}

// Whatever it is that they read.
func TestABodyIsHeldOnceHoweverManyTakeTheirTimeOverIt(t *testing.T) {
	t.Parallel()
	s, web := serveLarge(t)
	identity := "Accept-Encoding: identity"
	for name, ask := range map[string][]string{
		"event":        {"/feeds/f/events/1?format=cloudevents", identity},
		"entry":        {"/feeds/f/events/2", identity},
		"archive":      {archivePath(s, 1), identity},
		"other form":   {archivePath(s, 1) + "?format=cloudevents", identity},
		"subscription": {"/feeds/f", identity},
		"absolute":     {"/feeds/f?format=json", identity, "X-Unknown: 1"},
		"stream":       {"/feeds/f/stream?lastEventId=4", identity},
	} {
		t.Run(name, func(t *testing.T) {
			var conns []net.Conn
			for range 8 {
				conn, response := slowly(t, web, ask[0], ask[1:]...)
				if response.StatusCode != http.StatusOK {
					text, _ := io.ReadAll(response.Body)
					t.Fatalf("%s: %s %s", ask, response.Status, text)
				}
				conns = append(conns, conn)
			}
			waitUntil(t, "all are being sent something", func() bool { return s.sending.readers() == len(conns) })
			if held := s.sending.held(); held < newData || held > 3*largeData {
				t.Errorf("%d bytes are held for 8 readers of some %d", held, largeData)
			}
			for _, conn := range conns {
				must.OK(t, conn.Close())
			}
			waitUntil(t, "all is let go", func() bool { return s.sending.held() == 0 })
		})
	}
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so: ", what)
		}
	}
}

func TestMoreThanMayBeSentAtOnceIs503(t *testing.T) {
	t.Parallel()
	s, web := serveLarge(t)
	for name, sending := range map[string]*bodies{
		"in all":     newBodies(3*largeData, 0),
		"one client": newBodies(0x7fffffff, 3*largeData),
	} {
		s.sending = sending
		paths := []string{"/feeds/f/events/1?format=cloudevents", "/feeds/f/events/2?format=cloudevents", "/feeds/f/events/3?format=cloudevents", "/feeds/f", archivePath(s, 1)}
		var conns []net.Conn
		refused := 0
		for _, path := range paths {
			conn, response := slowly(t, web, path, "Accept-Encoding: identity")
			conns = append(conns, conn)
			switch response.StatusCode {
			case http.StatusOK:
			case http.StatusServiceUnavailable:
				refused++
				if response.Header.Get("Retry-After") == "" || response.Header.Get("ETag") != "" || response.Header.Get("Content-Type") != problemType {
					t.Errorf("%s: %v", name, response.Header)
				}
			default:
				t.Errorf("%s: %s: %s", name, path, response.Status)
			}
		}
		if held := sending.held(); refused == 0 || held > 3*largeData {
			t.Errorf("%s: %d of %d were refused, %d bytes are held", name, refused, len(paths), held)
		}
		// The same again, a 304, HEAD and what is small cost nothing more.
		if _, response := slowly(t, web, paths[0], "Accept-Encoding: identity"); response.StatusCode != http.StatusOK {
			t.Errorf("%s: what is held is refused: %s", name, response.Status)
		}
		if response, err := http.Head(web.URL + "/feeds/f"); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: HEAD: %v %v", name, response, err)
		}
		if response, err := http.Get(web.URL + "/"); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: the list: %v %v", name, response, err)
		}
		web.CloseClientConnections()
		for _, conn := range conns {
			_ = conn.Close()
		}
		waitUntil(t, "all is let go", func() bool { return sending.held() == 0 })
	}
}

// A body that is larger than all that may be sent at once is sent alone.
func TestTheLargestBodyIsSent(t *testing.T) {
	t.Parallel()
	s, web := serveLarge(t)
	s.sending = newBodies(largeData/4, largeData/4)
	response, err := http.Get(web.URL + "/feeds/f/events/1?format=cloudevents")
	must.OK(t, err)
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n < largeData || response.StatusCode != http.StatusOK {
		t.Errorf("%s, %d bytes, %v", response.Status, n, err)
	}
}

// Versions that were replaced are let go although clients still read them.
func TestASlowStreamHoldsNoDocument(t *testing.T) {
	t.Parallel()
	s, web := serveLarge(t)
	waitUntil(t, "an event is being sent", func() bool {
		if s.sending.held() > 0 {
			return true
		}
		// A stream ends while the database is slow to answer, and its client comes again.
		slowly(t, web, "/feeds/f/stream?lastEventId=0", "Accept: text/event-stream")
		time.Sleep(time.Second)
		return false
	})
	let := make(chan struct{})
	v, _, err := s.subscriptions.at(t.Context(), "f", false)
	must.OK(t, err)
	runtime.AddCleanup(v, func(struct{}) { close(let) }, struct{}{})
	s.subscriptions.mu.Lock()
	s.subscriptions.latest["f"].built.Store(nil)
	s.subscriptions.mu.Unlock()
	waitUntil(t, "the version is collected", func() bool {
		runtime.GC()
		select {
		case <-let:
			return true
		default:
			return false
		}
	})
	if s.sending.held() == 0 {
		t.Error("the version was held until the client was given up")
	}
}
