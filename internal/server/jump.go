package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/when"
)

// toPage redirects to a page by its number. The last one is the feed's own page.
func (s *server) toPage(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) error {
	state, err := s.feed(r)
	if err == nil && q.page > state.Archives+1 {
		state, err = s.look(r.Context(), a.feed) // another server may just have sealed one
	}
	if err != nil {
		return err
	}
	switch {
	case q.page > state.Archives+1:
		return refuse(http.StatusNotFound, fmt.Sprintf("there is no page %d: feed %s has pages 1 to %d", q.page, a.feed, state.Archives+1))
	case q.page > state.Archives:
		return seeOther(w, listReference(&state.Feed, nil, 0, 0, a.explicit))
	default:
		return seeOther(w, listReference(&state.Feed, &store.Page{Number: q.page}, 0, 0, a.explicit))
	}
}

// toPosition redirects to the list that has a position, and to its row.
func (s *server) toPosition(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) (err error) {
	var reference string
	err = s.readLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
		if q.position > f.Published {
			return refuse(http.StatusNotFound, "there is no position "+strconv.FormatInt(q.position, 10)+": "+positionsOf(f))
		}
		reference, err = rowReference(ctx, log, f, q.position, a.explicit)
		return err
	})
	if err != nil {
		return err
	}
	return seeOther(w, reference)
}

func positionsOf(f *store.Feed) string {
	if f.Published == 0 {
		return "feed " + f.Name + " has no events yet"
	}
	return fmt.Sprintf("feed %s has positions 1 to %d", f.Name, f.Published)
}

// toTime redirects to the list that has the first event recorded at or after a time, and to its row.
func (s *server) toTime(w http.ResponseWriter, r *http.Request, a *ask, q feedQuery) (err error) {
	var reference string
	err = s.readLog(r.Context(), a.feed, func(ctx context.Context, log store.Snapshot, f *store.Feed) error {
		period, is := when.Parse(q.time, f.Updated)
		if !is {
			return refuse(http.StatusBadRequest, "time is "+quote(q.time)+", which is not a date or a time; write 2026-05-03, 2026-05-03 14:00 or 3 May 2026, in UTC")
		}
		position, err := store.FirstRecorded(ctx, log, f.Key, f.Published, period.Start)
		if err != nil {
			return err
		}
		if position > f.Published {
			return refuse(http.StatusNotFound, "no event was recorded at or after "+period.Text+": "+newestOf(f))
		}
		reference, err = rowReference(ctx, log, f, position, a.explicit)
		return err
	})
	if err != nil {
		return err
	}
	return seeOther(w, reference)
}

func newestOf(f *store.Feed) string {
	if f.Published == 0 {
		return "feed " + f.Name + " has no events yet"
	}
	return "the newest event of feed " + f.Name + " was recorded at " + cloudevents.FormatTime(f.Updated)
}

// rowReference returns the reference, relative to the feed's URL, to the row of a position in a list.
// Lists begin at every 50th position after the last archive, and before the end of an archive, so that
// new events move no row to another list.
func rowReference(ctx context.Context, log store.Snapshot, f *store.Feed, position int64, explicit bool) (string, error) {
	if position > f.ArchivedTo {
		before := f.ArchivedTo + 1 + (position-f.ArchivedTo+html.ShownRows-1)/html.ShownRows*html.ShownRows
		if before > f.Published {
			before = 0 // among the newest
		}
		return listReference(f, nil, before, position, explicit), nil
	}
	page, err := store.PageAt(ctx, log, f.Key, f.Archives, position)
	if err != nil {
		return "", err
	}
	before := page.Last + 1 - (page.Last-position)/html.ShownRows*html.ShownRows
	if before > page.Last {
		before = 0
	}
	return listReference(f, &page, before, position, explicit), nil
}

// listReference returns the reference, relative to the feed's URL, to the list of the events before a
// position, on an archive or, for nil, on the feed's own page; and to the row of a position. 0 stands
// for no position.
func listReference(f *store.Feed, page *store.Page, before, row int64, explicit bool) string {
	reference, separator := f.Name, "?"
	if page != nil {
		reference = feed.ExpandTemplate(feed.ArchiveTemplate(f.Name), feed.Page{Epoch: feed.EpochOfPage(f.Epochs, page.Number), Number: page.Number})
	}
	if before > 0 {
		reference += separator + "before=" + strconv.FormatInt(before, 10)
		separator = "&"
	}
	if explicit { // the URL had it: the client may not prefer HTML
		reference += separator + "format=" + htmlForm.name
	}
	if row > 0 {
		reference += "#p" + strconv.FormatInt(row, 10)
	}
	return reference
}
