package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
)

// Auth is who causes events, as CloudEvents' Auth Context extension has it: the
// extension attributes authtype and authid. It is information, and proves nothing.
type Auth struct {
	// Type is the kind of principal: app_user, user, service_account, api_key, system,
	// unauthenticated or unknown. Left out, it is unknown. An append refuses any other.
	Type string
	// ID is the principal: an account, a mail address, the label of a key.
	ID string
}

type authKey struct{}

// WithAuth returns a context whose appends record auth with each event, but for events
// that have one of its extension attributes already. If an append is repeated, who did
// it first is kept.
//
// On PostgreSQL, the settings eventfeed.authtype and eventfeed.authid do the same for
// all that a transaction appends, as with SET LOCAL eventfeed.authid = 'anna'.
func WithAuth(ctx context.Context, auth Auth) context.Context {
	return context.WithValue(ctx, authKey{}, auth)
}

// principals are the types that CloudEvents' Auth Context extension has.
var principals = []string{"app_user", "user", "service_account", "api_key", "system", "unauthenticated", "unknown"}

// withAuth returns the event with who causes it, if the context says so.
func withAuth(ctx context.Context, e event.Event) (event.Event, error) {
	auth, is := ctx.Value(authKey{}).(Auth)
	if !is || e.Extensions["authtype"] != "" || e.Extensions["authid"] != "" {
		return e, nil
	}
	e.Extensions = maps.Clone(e.Extensions)
	if e.Extensions == nil {
		e.Extensions = make(map[string]string, 2)
	}
	if auth.Type == "" {
		auth.Type = "unknown"
	}
	if !slices.Contains(principals, auth.Type) {
		return e, fmt.Errorf("auth type %.80q: it must be %s", auth.Type, strings.Join(principals, ", "))
	}
	e.Extensions["authtype"] = auth.Type
	if auth.ID != "" {
		e.Extensions["authid"] = auth.ID
	}
	return e, nil
}
