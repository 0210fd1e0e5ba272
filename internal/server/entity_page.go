package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/when"
)

// entityView is the part of a history that a request asks for; the zero value is its newest part.
type entityView struct {
	before int64  // the part ends before this version
	date   string // or with the last version of this period, see package when
}

// setView parses the parameters of a request for an entity's HTML page.
func (k *entityKey) setView(r *http.Request) error {
	if err := checkParameters(r, k.form, entityParameters); err != nil || k.form != htmlForm {
		return err
	}
	query := r.URL.Query()
	before, date := query.Get("before"), query.Get("date")
	if before != "" && date != "" {
		return refuse(http.StatusBadRequest, "this URL has both before and date; name one of them")
	}
	var err error
	if before != "" {
		k.view.before, err = strconv.ParseInt(before, 10, 64)
		if err != nil || k.view.before < 2 {
			return refuse(http.StatusBadRequest, "before is a version, a number from 2 on, and not "+quote(before))
		}
	}
	if _, isDate := when.Parse(date, time.Now()); date != "" && !isDate {
		return refuse(http.StatusBadRequest, "date is a day, such as 2026-05-03 or 3 May, and not "+quote(date))
	}
	k.view.date = date
	return nil
}

// entityPageRoom is the memory for making a page of a timeline, in bytes.
const entityPageRoom = copies * 2 * html.ShownRows * html.EntityCut

// makeEntityPage renders a part of the timeline of an entity.
func (s *server) makeEntityPage(ctx context.Context, at *entityAt, key entityKey) (*entityMade, error) {
	leave, err := s.making.enter(ctx, entityPageRoom)
	if err != nil {
		return nil, err
	}
	defer leave()
	page := html.Entity{Feed: at.feed.Name, Title: at.feed.Title, Subject: at.subject, Version: at.end.Version}
	err = s.readEntityAt(ctx, at, func(ctx context.Context, log store.Snapshot) error {
		return at.readTimeline(ctx, log, key.view, &page)
	})
	if err != nil {
		return nil, err
	}
	content, err := html.EntityPage(&page)
	if err != nil {
		return nil, err
	}
	return newEntityMade(key, content, nil), nil
}

// readTimeline reads the versions that a part of a history shows.
func (a *entityAt) readTimeline(ctx context.Context, log store.Snapshot, view entityView, page *html.Entity) (err error) {
	h := history{log, a.feed, a.subject}
	if page.First, err = h.ends(ctx, 1); err != nil {
		return err
	}
	if page.Newest, err = h.ends(ctx, a.end.Version); err != nil {
		return err
	}
	last := a.end.Version
	if view.before > 0 {
		last = min(last, view.before-1)
	}
	period, isDate := when.Parse(view.date, page.Newest.Time)
	if !isDate {
		page.Versions, err = h.versions(ctx, upTo(last))
		return err
	}
	found, err := store.ReadEntityPeriod(ctx, log, a.feed, a.subject, last, period.Start, period.End)
	if err != nil {
		return err
	}
	page.Asked, page.InPeriod, page.IsLeast, page.IsAll = &period, int64(len(found.Versions)), found.IsLeast, found.IsAll
	shown := newest(found.Versions)
	switch {
	case len(shown) > 0:
	case found.Before > 0:
		shown = upTo(found.Before)
	default: // all are later
		shown = upTo(min(last, html.ShownRows))
	}
	page.Versions, err = h.versions(ctx, shown)
	return err
}
