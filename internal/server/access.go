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

// Grants decides what a client may do.
type Grants interface {
	// Grant returns an error for [access.Challenge], wrapped, if the client is unknown.
	Grant(*http.Request) (access.Grant, error)
	// Changed returns a channel that is closed when grants have changed. Then an answer that
	// takes long must check its grant again.
	Changed() <-chan struct{}
}

type grantKey struct{}

// admit authenticates the client. It refuses unknown clients, and requests for another host name.
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

// grant returns what the client may do.
func grant(r *http.Request) access.Grant {
	if g, ok := r.Context().Value(grantKey{}).(access.Grant); ok {
		return g
	}
	return access.Everyone()
}

// challenge is the error of a request that needs other credentials.
type challenge struct {
	status int
	error
}

func (c *challenge) Unwrap() error { return c.error }

// feed returns the feed that a request names. For a feed that the client may not read, it returns
// the same error as for a missing one.
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

// maxCompared is the maximum number of feeds whose names are compared with an unknown name.
const maxCompared = 200

// names returns the names of the feeds that a client may read; none if there are too many to compare.
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

// stillMayRead checks the grant of a held request again.
func (s *server) stillMayRead(r *http.Request) error {
	r, err := s.admit(r)
	if err == nil {
		_, err = s.feed(r)
	}
	return err
}

// visible returns the feeds that a client may read.
func (s *server) visible(r *http.Request) []*feedstate.State {
	return slices.DeleteFunc(s.Feeds.All(), func(f *feedstate.State) bool { return !grant(r).MayRead(f.Name) })
}

// grantsChanged returns a channel that is closed when grants have changed; nil if every client may do
// everything.
func (s *server) grantsChanged() <-chan struct{} {
	if s.Grants == nil {
		return nil
	}
	return s.Grants.Changed()
}

// scope returns which caches may store an answer: public or private.
func (s *server) scope() string {
	if s.Grants == nil {
		return "public"
	}
	return "private"
}

// addVary adds further request fields on which an answer depends.
func addVary(header http.Header, fields []string) {
	if len(fields) > 0 {
		header.Set("Vary", header.Get("Vary")+", "+strings.Join(fields, ", "))
	}
}

// vary returns the request fields on which an answer depends. explicit means that the URL names the
// form.
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
