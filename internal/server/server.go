// Package server serves feeds over HTTP: the subscription and archive
// documents as the log holds them.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is where the documents come from.
type Log interface {
	Feeds(ctx context.Context) ([]store.Feed, error)
	Feed(ctx context.Context, name string) (store.Feed, error)
	Subscription(ctx context.Context, f *store.Feed, known *feed.Document) (*feed.Document, error)
	Archive(ctx context.Context, f *store.Feed, page feed.Page) (store.Document, error)
}

// Config says what to serve.
type Config struct {
	Log    Log
	Logger *slog.Logger // nil means discard
}

// Cache-Control of what the server answers.
const (
	cacheSubscription = "public, max-age=1"
	cacheNewest       = "public, max-age=5"                   // until the next page is sealed
	cacheFinal        = "public, max-age=31536000, immutable" // RFC 8246: it never changes
)

type server struct {
	Config
	subscriptions subscriptionCache
}

// New returns the handler of the feeds' URLs.
func New(config Config) http.Handler {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{Config: config}
	router := mux.NewRouter()
	router.HandleFunc("/", s.handle(s.service)).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/feeds/{feed}", s.handle(s.subscription)).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/feeds/{feed}/archive/{epoch}/{page}", s.handle(s.archive)).Methods(http.MethodGet, http.MethodHead)
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+"; the feeds are listed at /")
	})
	router.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "feeds can be read only: GET or HEAD")
	})
	return router
}

// handle turns the errors of an endpoint into answers.
func (s *server) handle(endpoint func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := endpoint(w, r)
		switch {
		case err == nil || r.Context().Err() != nil:
		case errors.Is(err, store.ErrNoFeed), errors.Is(err, store.ErrNoPage):
			fail(w, http.StatusNotFound, err.Error())
		case errors.Is(err, store.ErrPageGone):
			fail(w, http.StatusGone, err.Error())
		default:
			s.Logger.Error("cannot answer", "path", r.URL.Path, "error", err)
			fail(w, http.StatusInternalServerError, "the log could not be read, try again later")
		}
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}

func (s *server) subscription(w http.ResponseWriter, r *http.Request) error {
	f, err := s.Log.Feed(r.Context(), mux.Vars(r)["feed"])
	if err != nil {
		return err
	}
	body, err := s.subscriptions.get(&f, func() (*feed.Document, error) { return s.Log.Subscription(r.Context(), &f, nil) })
	if err != nil {
		return err
	}
	return body.serve(w, r, cacheSubscription)
}

func (s *server) archive(w http.ResponseWriter, r *http.Request) error {
	vars := mux.Vars(r)
	number, err := strconv.ParseInt(vars["page"], 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != vars["page"] {
		return store.ErrNoPage
	}
	f, err := s.Log.Feed(r.Context(), vars["feed"])
	if err != nil {
		return err
	}
	d, err := s.Log.Archive(r.Context(), &f, feed.Page{Epoch: vars["epoch"], Number: number})
	if err != nil {
		return err
	}
	cache := cacheNewest
	if d.Stage == store.Final {
		cache = cacheFinal
	}
	return newBody(d.Body).serve(w, r, cache)
}
