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

// entityView is the part of a timeline that a request asks for; the zero value is its newest part.
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
const entityPageRoom = copies * (html.ShownRows + 1) * html.EntityCut

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

// readTimeline reads the versions that a part of a timeline shows.
func (a *entityAt) readTimeline(ctx context.Context, log store.Snapshot, view entityView, page *html.Entity) (err error) {
	read := func(first, last, cut int64, yield func(html.EntityVersion)) error {
		return log.EntityRows(ctx, a.feed.Key, a.subject, first, last, cut, func(row *store.EntityRow) error {
			yield(html.EntityVersion{Placed: row.Placed, Version: row.Version, DataSize: row.DataSize})
			return nil
		})
	}
	last := a.end.Version
	if err := read(1, 1, 1, func(v html.EntityVersion) { page.First = v }); err != nil {
		return err
	}
	if err := read(last, last, 1, func(v html.EntityVersion) { page.Newest = v }); err != nil {
		return err
	}
	if view.before > 0 {
		last = min(last, view.before-1)
	}
	if period, isDate := when.Parse(view.date, page.Newest.Time); isDate {
		page.Asked = &period
		last, page.IsFound, err = store.EntityDay(ctx, log, a.feed, a.subject, last, period.Start, period.End)
		if err != nil {
			return err
		}
		if last == 0 { // all are later
			last = min(a.end.Version, html.ShownRows)
		}
	}
	return read(max(1, last-html.ShownRows), last, html.EntityCut, func(v html.EntityVersion) { page.Versions = append(page.Versions, v) })
}
