package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// entityView is the part of a timeline that a request asks for; the zero value is its newest part.
type entityView struct {
	before int64     // the part ends before this version
	day    time.Time // or with the last version of this day
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
	if date != "" {
		if k.view.day, err = time.Parse(time.DateOnly, date); err != nil {
			return refuse(http.StatusBadRequest, "date is a day, such as 2026-05-03, and not "+quote(date))
		}
	}
	return nil
}

// entityPageRoom is the memory for making a page of a timeline, in bytes.
const entityPageRoom = copies * (html.ShownRows + 1) * html.EntityCut

// makeEntityPage renders a part of the timeline of an entity.
func (s *server) makeEntityPage(ctx context.Context, at *entityAt, key entityKey) (*entityMade, error) {
	leave, err := s.making.enter(ctx, entityPageRoom)
	if err != nil {
		return nil, err
	}
	defer leave()
	page := html.Entity{Feed: at.feed.Name, Title: at.feed.Title, Subject: at.subject, Version: at.end.Version, Day: key.view.day}
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

// readTimeline reads the versions that a part of a timeline shows.
func (a *entityAt) readTimeline(ctx context.Context, log store.Snapshot, view entityView, page *html.Entity) (err error) {
	last := a.end.Version
	switch {
	case view.before > 0:
		last = min(last, view.before-1)
	case !view.day.IsZero():
		last, page.IsOnDay, err = store.EntityDay(ctx, log, a.feed, a.subject, last, view.day, view.day.AddDate(0, 0, 1))
		if err != nil {
			return err
		}
		if last == 0 { // all are of later days
			last = min(a.end.Version, html.ShownRows)
		}
	}
	read := func(first, last, cut int64, yield func(html.EntityVersion)) error {
		return log.EntityRows(ctx, a.feed.Key, a.subject, first, last, cut, func(row *store.EntityRow) error {
			yield(html.EntityVersion{Placed: row.Placed, Version: row.Version, DataSize: row.DataSize})
			return nil
		})
	}
	if err := read(1, 1, 1, func(v html.EntityVersion) { page.First = v }); err != nil {
		return err
	}
	if err := read(a.end.Version, a.end.Version, 1, func(v html.EntityVersion) { page.Newest = v }); err != nil {
		return err
	}
	return read(max(1, last-html.ShownRows), last, html.EntityCut, func(v html.EntityVersion) { page.Versions = append(page.Versions, v) })
}
