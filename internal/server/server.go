// Package server serves feeds over HTTP, in every representation that clients ask for. It
// answers from memory whatever has not changed.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cache"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/quota"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is where the documents come from. Each is read together with its feed: what
// an answer promises must be of the same moment as its bytes.
type Log interface {
	Subscription(ctx context.Context, name string, known *feed.Document) (*store.Feed, *feed.Document, error)
	Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error)
	ReadFeed(ctx context.Context, name string, read func(log store.Snapshot, f *store.Feed) error) error
	Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error)
	Append(ctx context.Context, name string, events []event.Event) (int, error)
}

// Feeds knows how the feeds stand.
type Feeds interface {
	// Get returns store.ErrNoFeed, wrapped, if there is none of that name.
	Get(name string) (*feedstate.State, error)
	All() []*feedstate.State
	// Fresh waits until the states hold all that was committed before the call,
	// or returns an error where the database does not tell.
	Fresh(ctx context.Context) error
	// CutOff returns the age of the states, and whether they count as old, since
	// the database does not answer.
	CutOff() (age time.Duration, is bool)
}

// DefaultMaxWait is how long a request is held at most.
const DefaultMaxWait = time.Minute

// Bytes of what is kept in memory, about.
const (
	archiveBytes      = 24 << 20
	eventBytes        = 16 << 20
	subscriptionBytes = 48 << 20
)

// Bytes that may be in use at once, about: by bodies that are being sent, to all
// clients and to one; by what is being read from the log; and by what is being made
// of that. Who reads may wait to make something, not the other way round: documents
// that are in memory must not wait for a database.
const (
	sendingRoom = 48 << 20
	clientRoom  = 32 << 20
	readingRoom = 32 << 20
	makingRoom  = 40 << 20
)

// Config says what to serve.
type Config struct {
	Log     Log
	Feeds   Feeds
	Grants  Grants          // nil means that everyone may do all
	Origin  forwarded.Rules // under which URL the server is known
	Logger  *slog.Logger    // nil means discard
	Metrics *Metrics        // nil means that nothing is counted
	// AllowAppend lets those append who may.
	AllowAppend bool
	// Local says that only this machine is meant to reach the server, and that there
	// are no tokens: it answers only as [forwarded.Rules.CheckName] has it.
	Local bool
	// ClientRequests bounds how many requests of one client are answered at a time,
	// those that are held among them. 0 means no bound.
	ClientRequests int
	// MaxWait is how long a request that prefers to wait is held at most, in
	// whole seconds. 0 means DefaultMaxWait, negative that none is.
	MaxWait time.Duration
}

// Server answers requests for feeds.
type Server struct{ server }

type server struct {
	Config
	router          *mux.Router
	prefix          string       // path of the base URL, without a slash at its end
	below           http.Handler // the router below that path
	subscriptions   subscriptions
	archives        *cache.Cache[archiveKey, *archived]
	requests        *quota.Clients
	events          *cache.Cache[eventKey, *representation]
	sending         *bodies
	reading, making *room

	appending   chan struct{} // has room for those who append at once
	smallBodies *incoming
	largeBodies *incoming
	decoding    *room
	crossOrigin *http.CrossOriginProtection

	closing   chan struct{}
	closeOnce sync.Once
	waiting   atomic.Int64
	failed    atomic.Int64 // when a failure was logged last, in nanoseconds
}

// New returns the handler of the feeds' URLs.
func New(config Config) *Server {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Metrics == nil {
		config.Metrics = NewMetrics(nil)
	}
	if config.MaxWait == 0 {
		config.MaxWait = DefaultMaxWait
	}
	reading, making := newRoom(readingRoom), newRoom(makingRoom)
	s := &Server{server{
		Config: config,
		subscriptions: subscriptions{
			log: config.Log, feeds: config.Feeds, limit: subscriptionBytes, reading: reading, making: making,
		},
		requests:    quota.NewClients(int64(config.ClientRequests)),
		events:      cache.New[eventKey](eventBytes, (*representation).size),
		sending:     newBodies(sendingRoom, clientRoom),
		reading:     reading,
		making:      making,
		archives:    cache.New[archiveKey](archiveBytes, func(a *archived) int64 { return a.size() }),
		appending:   make(chan struct{}, maxAppending),
		smallBodies: newIncoming(smallRoom),
		largeBodies: newIncoming(largeRoom),
		decoding:    newRoom(decodingRoom),
		crossOrigin: http.NewCrossOriginProtection(),
		closing:     make(chan struct{}),
	}}
	s.routes()
	if config.Origin.Base != nil {
		s.prefix = strings.TrimSuffix(config.Origin.Base.Path, "/")
		s.below = http.StripPrefix(s.prefix, s.router)
	}
	return s
}

// Release answers those who wait, and ends all streams, as a server does that
// is about to stop.
func (s *Server) Release() { s.closeOnce.Do(func() { close(s.closing) }) }

// Waiting is how many requests are being held until something happens, event
// streams among them.
func (s *Server) Waiting() int64 { return s.waiting.Load() }

// RequestFields are the header fields of a GET or HEAD that the server reads, and
// what logs its requests; see httplimit.KeepFields.
var RequestFields = []string{
	"A-Im", "Accept", "Accept-Encoding", "Authorization", "Cache-Control", "Pragma", "Prefer", "Last-Event-Id",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"User-Agent", "X-Request-Id",
}

// ServeHTTP answers a request, unless its client has too many under way.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := s.Origin.Client(r)
	if !s.requests.Take(client, 1) {
		s.fail(w, r, refuse(http.StatusTooManyRequests, fmt.Sprintf(
			"your address has %d requests open already, long polls included; send this one again when one of them has ended", s.ClientRequests)))
		return
	}
	defer s.requests.Give(client, 1)
	s.dispatch(w, r)
}

// dispatch leads a request to its endpoint. The path of the base URL may stand
// before its own, as it does behind a proxy that passes it on.
func (s *server) dispatch(w http.ResponseWriter, r *http.Request) {
	if s.prefix != "" && r.URL.Path == s.prefix {
		w.Header().Set("Location", path.Base(s.prefix)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	if s.prefix != "" && strings.HasPrefix(r.URL.Path, s.prefix+"/") && !s.routed(r) {
		s.below.ServeHTTP(w, r)
		return
	}
	s.router.ServeHTTP(w, r)
}

// routed reports whether a request's path is one of the server's as it stands.
func (s *server) routed(r *http.Request) bool {
	var match mux.RouteMatch
	return s.router.Match(r, &match) && match.MatchErr == nil
}

func (s *server) routes() {
	s.router = mux.NewRouter().UseEncodedPath().SkipClean(true)
	s.router.Use(observe.NameRoute)
	s.route("/", methods{http.MethodGet: s.service})
	ofFeed := methods{http.MethodGet: s.subscription}
	if s.AllowAppend {
		ofFeed[http.MethodPost] = s.append
	}
	s.route("/feeds/{feed}", ofFeed)
	s.route("/feeds/{feed}/archive/{epoch}/{page}", methods{http.MethodGet: s.archive})
	s.route("/feeds/{feed}/stream", methods{http.MethodGet: s.stream})
	s.route("/feeds/{feed}/events/{id:.*}", methods{http.MethodGet: s.event})
	s.router.NotFoundHandler = s.handle(func(_ http.ResponseWriter, r *http.Request) error {
		return refuse(http.StatusNotFound, "there is nothing at "+quote(r.URL.Path)+"; the feeds are listed at /")
	})
}

// endpoint answers a request, or returns the error to answer it with.
type endpoint func(http.ResponseWriter, *http.Request) error

// methods are what a resource can be asked to do. GET stands for HEAD, too.
type methods map[string]endpoint

// knownMethods are those of RFC 9110 and RFC 5789; any other is answered with
// 501, RFC 9110 section 9.1.
var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace, http.MethodPatch,
}

func (s *server) route(path string, m methods) {
	allow := []string{http.MethodOptions}
	for method := range m {
		allow = append(allow, method)
		if method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	s.router.Handle(path, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if do := m[method]; do != nil {
			return do(w, r)
		}
		if !slices.Contains(knownMethods, method) {
			return refuse(http.StatusNotImplemented, "the method "+quote(r.Method)+" is not supported")
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		if method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return refuse(http.StatusMethodNotAllowed, "this resource supports "+strings.Join(allow, ", ")+" only")
	}))
}

// handle turns the errors of an endpoint into answers.
func (s *server) handle(do endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := s.admit(r)
		if err == nil && wantsFresh(r) {
			err = s.Feeds.Fresh(r.Context())
		}
		if err == nil {
			s.markAge(w.Header())
			err = do(w, r)
		}
		if err != nil && r.Context().Err() == nil {
			s.fail(w, r, err)
		}
	})
}

func (s *server) coding(r *http.Request) (string, error) {
	coding, ok := chooseCoding(r.Header)
	if !ok {
		return "", refuse(http.StatusNotAcceptable, "Accept-Encoding rules out all that there is: zstd, gzip and identity")
	}
	return coding, nil
}

// quote shows what a client sent, shortened.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strconv.Quote(text)
}
