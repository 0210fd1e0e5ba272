package html_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/storetest"
)

func serve(t *testing.T, l *store.Log) string {
	t.Helper()
	s := httptest.NewServer(handler(t, l))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// restartable serves at an address that it leaves and takes again.
func restartable(t *testing.T, l *store.Log) (url string, stop, start func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	storetest.Must(t, err)
	address := listener.Addr().String()
	var s *http.Server
	run := func(listener net.Listener) {
		s = &http.Server{Handler: handler(t, l), ReadHeaderTimeout: patience}
		go func() { _ = s.Serve(listener) }()
	}
	run(listener)
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + address, func() { _ = s.Close() }, func() {
		listener, err := net.Listen("tcp", address)
		storetest.Must(t, err)
		run(listener)
	}
}

func handler(t *testing.T, l *store.Log) http.Handler {
	router := mux.NewRouter()
	write := func(w http.ResponseWriter, b []byte, err error) {
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		html.SetHeaders(w.Header().Set)
		_, _ = w.Write(b)
	}
	router.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		feeds, _ := l.Feeds(r.Context())
		var items []html.Item
		for _, f := range feeds {
			i := html.Item{Name: f.Name, Title: f.Title, Position: f.Published}
			_ = l.Rows(r.Context(), f.Key, f.Published, f.Published, func(row *store.Row) error { i.Newest = row.Recorded; return nil })
			items = append(items, i)
		}
		b, err := html.List(items)
		write(w, b, err)
	})
	router.HandleFunc("/feeds/{feed}", func(w http.ResponseWriter, r *http.Request) {
		f, err := l.Feed(r.Context(), mux.Vars(r)["feed"])
		if err != nil {
			html.SetHeaders(w.Header().Set)
			w.WriteHeader(404)
			b, _ := html.Error(html.Failure{Root: html.Root(r.URL.EscapedPath()), Status: 404, Title: "Not Found", Detail: err.Error()})
			_, _ = w.Write(b)
			return
		}
		d, _ := l.Subscription(r.Context(), &f)
		b, err := html.Feed(d, "")
		write(w, b, err)
	})
	router.HandleFunc("/feeds/{feed}/archive/{epoch}/{page}", func(w http.ResponseWriter, r *http.Request) {
		f, _ := l.Feed(r.Context(), mux.Vars(r)["feed"])
		n, _ := strconv.ParseInt(mux.Vars(r)["page"], 10, 64)
		s, err := l.Archive(r.Context(), &f, feed.Page{Epoch: mux.Vars(r)["epoch"], Number: n})
		if err != nil {
			http.Error(w, err.Error(), 404)
			return
		}
		text, _ := compress.Unzstd(s.Body)
		d, _ := feed.Decode(text)
		b, err := html.Archive(d)
		write(w, b, err)
	})
	router.HandleFunc("/feeds/{feed}/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		from := r.Header.Get("Last-Event-ID")
		if from == "" {
			from = r.URL.Query().Get("lastEventId")
		}
		last, _ := strconv.ParseInt(from, 10, 64)
		for r.Context().Err() == nil {
			f, err := l.Feed(r.Context(), mux.Vars(r)["feed"])
			if err != nil {
				return
			}
			if f.Published > last {
				_ = l.Rows(r.Context(), f.Key, last+1, f.Published, func(row *store.Row) error {
					_, _ = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", row.Position, cloudEvent(&row.Placed))
					last = row.Position
					return nil
				})
			} else {
				_, _ = fmt.Fprint(w, ":\n\n")
			}
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	})
	router.HandleFunc("/feeds/{feed}/events/{id:.*}", func(w http.ResponseWriter, r *http.Request) {
		f, _ := l.Feed(r.Context(), mux.Vars(r)["feed"])
		id, source := mux.Vars(r)["id"], r.URL.Query().Get("source")
		if id == "" {
			id = r.URL.Query().Get("id")
		}
		all := storetest.Read(t, l, f.Name)
		for i, e := range all {
			if e.ID != id || e.Source != source {
				continue
			}
			if r.URL.Query().Get("format") == "cloudevents" {
				_, _ = w.Write(cloudEvent(&e))
				return
			}
			p := &html.Event{Placed: e, Feed: f.Name, Title: f.Title}
			if i > 0 {
				p.Previous = &html.Neighbour{Source: all[i-1].Source, ID: all[i-1].ID, Position: all[i-1].Position}
			}
			if i+1 < len(all) {
				p.Next = &html.Neighbour{Source: all[i+1].Source, ID: all[i+1].ID, Position: all[i+1].Position}
			}
			b, err := html.EventPage(p)
			write(w, b, err)
			return
		}
		http.NotFound(w, r)
	})
	return router
}

func cloudEvent(e *event.Placed) []byte {
	m := map[string]any{
		"specversion": "1.0", "id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "time": event.FormatTime(e.Time),
		"efposition": fmt.Sprint(e.Position), "efrecorded": event.FormatTime(e.Recorded),
	}
	if e.DataContentType != "" {
		m["datacontenttype"] = e.DataContentType
	}
	for k, v := range e.Extensions {
		m[k] = v
	}
	switch {
	case event.IsJSON(e.DataContentType) && json.Valid(e.Data):
		m["data"] = json.RawMessage(e.Data)
	case strings.HasPrefix(e.DataContentType, "text/"):
		m["data"] = string(e.Data)
	case len(e.Data) > 0:
		m["data_base64"] = e.Data
	}
	b, _ := json.Marshal(m)
	return b
}
