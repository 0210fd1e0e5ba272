package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/store"
)

// wantsFresh reports whether a request forbids an answer from memory without a look at the database:
// Cache-Control: no-cache, RFC 9111 section 5.2.1.4, or Pragma instead, section 5.4.
func wantsFresh(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	field := "Cache-Control"
	if r.Header.Values(field) == nil {
		field = "Pragma"
	}
	return slices.ContainsFunc(elements(r.Header, field), func(directive string) bool {
		return strings.EqualFold(strings.TrimSpace(directive), "no-cache")
	})
}

// state returns a feed's state. It looks for an unknown name in the database, because another
// process may just have created the feed.
func (s *server) state(ctx context.Context, name string) (*feedstate.State, error) {
	state, err := s.Feeds.Get(name)
	if !errors.Is(err, store.ErrNoFeed) || !feed.ValidName(name) {
		return state, err
	}
	return s.look(ctx, name)
}

// look returns a feed's current state in the database, or an error if the database does not answer.
func (s *server) look(ctx context.Context, name string) (*feedstate.State, error) {
	if err := s.Feeds.Fresh(ctx); err != nil {
		return nil, err
	}
	return s.Feeds.Get(name)
}

// checkMoved returns an error for a feed whose documents must not be served, because the log was
// read after a failover and before the new epoch.
func checkMoved(state *feedstate.State) error {
	if state.Moved {
		return fmt.Errorf("feed %s: %w", state.Name, store.ErrMoved)
	}
	return nil
}

// reachable returns an error while the server cannot reach its database, so that requests that need
// it fail at once.
func reachable(feeds Feeds) error {
	if age, is := feeds.CutOff(); is {
		return fmt.Errorf("%w for %v", feedstate.ErrCutOff, age.Round(time.Second))
	}
	return nil
}

// markAge sets header fields of an answer from memory, while this server cannot reach its database:
// Age (RFC 9111 section 5.1), and Cache-Status (RFC 9211) with the time since the answer has become
// stale.
func (s *server) markAge(header http.Header) {
	age, is := s.Feeds.CutOff()
	if !is {
		header.Del("Age")
		header.Del("Cache-Status")
		return
	}
	seconds := int(age / time.Second)
	header.Set("Age", strconv.Itoa(seconds))
	header.Set("Cache-Status", fmt.Sprintf(`feedserver; hit; ttl=%d; detail="database away"`, subscriptionLifetime.seconds-seconds))
}
