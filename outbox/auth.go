package outbox

import (
	"context"
	"maps"

	"github.com/eventfeed/eventfeed/event"
)

// Auth is who causes events, as CloudEvents' Auth Context extension has it: the
// extension attributes authtype and authid. It is information, and proves nothing.
type Auth struct {
	// Type is the kind of principal: app_user, user, service_account, api_key, system,
	// unauthenticated or unknown. Left out, it is unknown.
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

// withAuth returns the event with who causes it, if the context says so.
func withAuth(ctx context.Context, e event.Event) event.Event {
	auth, is := ctx.Value(authKey{}).(Auth)
	if !is || e.Extensions["authtype"] != "" || e.Extensions["authid"] != "" {
		return e
	}
	e.Extensions = maps.Clone(e.Extensions)
	if e.Extensions == nil {
		e.Extensions = make(map[string]string, 2)
	}
	if auth.Type == "" {
		auth.Type = "unknown"
	}
	e.Extensions["authtype"] = auth.Type
	if auth.ID != "" {
		e.Extensions["authid"] = auth.ID
	}
	return e
}
