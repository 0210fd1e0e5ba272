package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/nearest"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Grants says what a caller may do.
type Grants interface {
	// Grant returns an error that [access.Challenge] takes, wrapped, if it
	// does not know the caller.
	Grant(*http.Request) (access.Grant, error)
	// Changed is closed when grants have changed: whoever answers for long asks
	// again then.
	Changed() <-chan struct{}
}

type grantKey struct{}

// admit asks who is calling, and refuses those whom nobody knows, and whoever asks
// for another server.
func (s *server) admit(r *http.Request) (*http.Request, error) {
	if s.Local {
		if err := s.Origin.CheckName(r); err != nil {
			return r, refuse(http.StatusMisdirectedRequest, err.Error())
		}
	}
	if s.Grants == nil {
		return r, nil
	}
	grant, err := s.Grants.Grant(r)
	if err != nil {
		return r, &challenge{http.StatusUnauthorized, err}
	}
	return r.WithContext(context.WithValue(r.Context(), grantKey{}, grant)), nil
}

// grant returns what the caller may do.
func grant(r *http.Request) access.Grant {
	if g, ok := r.Context().Value(grantKey{}).(access.Grant); ok {
		return g
	}
	return access.Everyone()
}

// challenge is an error that a caller can mend by saying who it is.
type challenge struct {
	status int
	error
}

func (c *challenge) Unwrap() error { return c.error }

// feed returns the feed that a request names. One that the caller may not read
// is not there.
func (s *server) feed(r *http.Request) (*feedstate.State, error) {
	name := feedName(r)
	state, err := (*feedstate.State)(nil), feedstate.NoFeed(name)
	if grant(r).MayRead(name) {
		state, err = s.state(r.Context(), name)
	}
	switch {
	case errors.Is(err, store.ErrNoFeed):
		return nil, fmt.Errorf("%w%s", err, nearest.Question(name, s.names(r)))
	case err != nil:
		return nil, err
	}
	return state, checkMoved(state)
}

// maxCompared bounds with how many names one is compared that is not there.
const maxCompared = 200

// names are those of feeds that a caller may know of; none if there are very many.
func (s *server) names(r *http.Request) (names []string) {
	visible := s.visible(r)
	if len(visible) > maxCompared {
		return nil
	}
	for _, f := range visible {
		names = append(names, f.Name)
	}
	return names
}

// stillMayRead asks again, on behalf of a request that was held.
func (s *server) stillMayRead(r *http.Request) error {
	r, err := s.admit(r)
	if err == nil {
		_, err = s.feed(r)
	}
	return err
}

// visible returns the feeds that a caller may know of.
func (s *server) visible(r *http.Request) []*feedstate.State {
	return slices.DeleteFunc(s.Feeds.All(), func(f *feedstate.State) bool { return !grant(r).MayRead(f.Name) })
}

// grantsChanged is closed when what callers may do has changed; nil if all may
// do all.
func (s *server) grantsChanged() <-chan struct{} {
	if s.Grants == nil {
		return nil
	}
	return s.Grants.Changed()
}

// scope is who may keep an answer.
func (s *server) scope() string {
	if s.Grants == nil {
		return "public"
	}
	return "private"
}

// addVary names further fields that an answer hangs on.
func addVary(header http.Header, fields []string) {
	if len(fields) > 0 {
		header.Set("Vary", header.Get("Vary")+", "+strings.Join(fields, ", "))
	}
}

// vary names the request's fields that an answer hangs on.
func (s *server) vary(explicit bool) string {
	fields := "Accept-Encoding"
	if !explicit {
		fields = "Accept, " + fields
	}
	if s.Grants != nil {
		fields += ", Authorization"
	}
	return fields
}
