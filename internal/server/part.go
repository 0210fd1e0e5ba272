package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// part answers with a list of the events before a position. If they are archived it redirects to the
// archive that has them.
func (s *server) part(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error {
	v, _, err := s.subscriptions.at(r.Context(), a.feed, wantsFresh(r))
	if err != nil {
		return err
	}
	f, d := v.feed, v.document
	switch before := q.before; {
	case before == 1 || before > d.Last+html.ShownRows:
		return refuse(http.StatusNotFound, fmt.Sprintf("there are no events right before position %d: %s", before, positionsOf(f)))
	case before > d.Last:
		return seeOther(w, listReference(f, nil, 0, 0, a.explicit))
	case before-1 > f.ArchivedTo:
		content, err := html.Part(d, f.ArchivedTo, before)
		if err != nil {
			return err
		}
		return s.serveView(w, r, a, content)
	}
	var page store.Page
	err = s.readLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, now *store.Feed) error {
		f = now
		page, err = store.PageAt(ctx, log, f.Key, f.Archives, q.before-1)
		return err
	})
	if err != nil {
		return err
	}
	if q.before > page.Last {
		q.before = 0
	}
	return seeOther(w, listReference(f, &page, q.before, 0, a.explicit))
}
