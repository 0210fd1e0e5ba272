package server

import (
	"net/http/httptest"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/store"
)

// An event never changes, so a new one must not push the forms for programs out of the cache. Its page
// shows what comes after it.
func TestOnlyThePageOfAnEventIsMadeAgainForEachNewEvent(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/feeds/f/events/1", nil)
	at := func(published int64, form *form) eventKey {
		return eventKeyOf(r, &feedstate.State{Feed: store.Feed{ID: "f", Published: published}}, form, identityCoding)
	}
	for _, form := range eventForms {
		if same := at(1, form) == at(2, form); same != (form != htmlForm) {
			t.Errorf("%s: the same key after a new event: %t", form.name, same)
		}
	}
}
