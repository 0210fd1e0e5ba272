// Package server serves feeds over HTTP, in all representations. It answers from memory if nothing
// has changed.
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
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Log reads documents from the log, and appends. Each document is read together with its feed,
// because the header of an answer must be of the same snapshot as its bytes.
type Log interface {
	Subscription(ctx context.Context, name string, known *feed.Document) (*store.Feed, *feed.Document, error)
	Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error)
	ReadFeed(ctx context.Context, name string, read func(log store.Snapshot, f *store.Feed) error) error
	Types(ctx context.Context, name string, after feed.TypeKey, limit int) (f *store.Feed, types []feed.TypeCount, more bool, err error)
	Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error)
	Append(ctx context.Context, name string, events []event.Event) (int, error)
	AppendToEntity(ctx context.Context, name, subject string, condition store.EntityCondition, events []event.Event) (added int, version int64, err error)
}

// Feeds has the states of the feeds in memory.
type Feeds interface {
	// Get returns the state of a feed, or store.ErrNoFeed, wrapped.
	Get(name string) (*feedstate.State, error)
	All() []*feedstate.State
	// Fresh waits until the states include everything that was committed before the call. It
	// returns an error if the database does not answer.
	Fresh(ctx context.Context) error
	// CutOff returns the age of the states, and whether they are outdated because the database
	// does not answer.
	CutOff() (age time.Duration, is bool)
}

// DefaultMaxWait is the default of Config.MaxWait.
const DefaultMaxWait = time.Minute

// The approximate sizes of the caches, in bytes.
const (
	archiveBytes      = 24 << 20
	eventBytes        = 16 << 20
	subscriptionBytes = 48 << 20
	typesBytes        = 4 << 20
)

// The approximate limits of memory in use, in bytes: for bodies that are being sent, to all clients
// and to one; for reads from the log; and for converting documents. A read may wait for room to
// convert, but not the other way round: a conversion of a document in memory must not wait for a
// database.
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
	Grants  Grants          // nil means that every client may do everything
	Origin  forwarded.Rules // finds the URL by which clients know the server
	Logger  *slog.Logger    // nil discards the log
	Metrics *Metrics        // nil means no metrics
	// Readers keeps who reads the feeds; nil keeps nobody.
	Readers *readers.List
	// AllowAppend accepts appends from clients whose grant allows them.
	AllowAppend bool
	// Local means that the server is for this machine only, and has no tokens. It then answers
	// only requests that [forwarded.Rules.CheckName] accepts.
	Local bool
	// ClientRequests is the maximum number of concurrent requests of one client, long polls
	// included. 0 means no limit.
	ClientRequests int
	// MaxWait is the maximum length of a long poll, in whole seconds. 0 means DefaultMaxWait, a
	// negative value no long polls.
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
	entities        *cache.Cache[entityKey, *entityMade]
	types           *cache.Cache[typesKey, *representation]
	sending         *bodies
	reading, making *room
	searching       *room // one for each search at the same time

	appending   chan struct{} // limits the appends that run at once
	smallBodies *incoming
	largeBodies *incoming
	decoding    *room
	crossOrigin *http.CrossOriginProtection

	closing   chan struct{}
	closeOnce sync.Once
	waiting   atomic.Int64
	failed    atomic.Int64 // when the last failure was logged, in nanoseconds
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
		entities:    cache.New[entityKey](entityBytes, func(e *entityMade) int64 { return e.size() }),
		types:       cache.New[typesKey](typesBytes, (*representation).size),
		sending:     newBodies(sendingRoom, clientRoom),
		reading:     reading,
		making:      making,
		searching:   newRoom(searches),
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

// Release answers all long polls and ends all streams, before the server stops.
func (s *Server) Release() { s.closeOnce.Do(func() { close(s.closing) }) }

// Waiting returns the number of held requests: long polls and event streams.
func (s *Server) Waiting() int64 { return s.waiting.Load() }

// RequestFields are the header fields of a GET or HEAD that the server or its request log reads; see
// httplimit.KeepFields.
var RequestFields = []string{
	"A-Im", "Accept", "Accept-Encoding", "Authorization", "Cache-Control", "Pragma", "Prefer", "Last-Event-Id",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"User-Agent", "X-Request-Id",
}

// ServeHTTP answers a request, unless its client has too many open requests.
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

// dispatch passes a request to its endpoint. Its path may begin with the path of the base URL,
// which some proxies pass on.
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

// routed reports whether a request's path is one of the server's without the prefix.
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
	s.route("/feeds/{feed}"+feed.SiteSuffix, methods{http.MethodGet: s.siteSubscription})
	s.route("/feeds/{feed}", ofFeed)
	s.route("/feeds/{feed}/archive/{epoch}/{page}", methods{http.MethodGet: s.archive})
	s.route("/feeds/{feed}/stream", methods{http.MethodGet: s.stream})
	s.route("/feeds/{feed}/types", methods{http.MethodGet: s.feedTypes})
	s.route("/feeds/{feed}/events/{id:.*}", methods{http.MethodGet: s.event})
	ofEntity := methods{http.MethodGet: s.entity}
	if s.AllowAppend {
		ofEntity[http.MethodPost] = s.appendToEntity
	}
	s.route("/feeds/{feed}/entities/archive/{epoch}/{last}", methods{http.MethodGet: s.entityArchive})
	s.route("/feeds/{feed}/entities/{subject}/archive/{epoch}/{last}", methods{http.MethodGet: s.entityArchive})
	s.route("/feeds/{feed}/entities/{subject:.*}", ofEntity)
	s.router.NotFoundHandler = s.handle(func(_ http.ResponseWriter, r *http.Request) error {
		return refuse(http.StatusNotFound, "there is nothing at "+quote(r.URL.Path)+"; the feeds are listed at /")
	})
}

// endpoint answers a request, or returns the error to answer it with.
type endpoint func(http.ResponseWriter, *http.Request) error

// methods are the methods of a resource. GET includes HEAD.
type methods map[string]endpoint

// knownMethods are the methods of RFC 9110 and RFC 5789; others are answered with 501, RFC 9110
// section 9.1.
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

// quote returns a client's text quoted and shortened, for messages.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strconv.Quote(text)
}
