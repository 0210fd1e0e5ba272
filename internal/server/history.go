package server

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// history reads the versions of an entity that a page shows.
type history struct {
	log     store.Snapshot
	feed    *store.Feed
	subject string
}

// upTo returns the numbers of the newest versions up to last, as many as a page shows, in order.
func upTo(last int64) (versions []int64) {
	for version := max(1, last-html.ShownRows+1); version <= last; version++ {
		versions = append(versions, version)
	}
	return versions
}

// newest returns the last ones of versions in order, as many as a page shows.
func newest(versions []int64) []int64 { return versions[max(0, len(versions)-html.ShownRows):] }

// ends reads a version without its data.
func (h history) ends(ctx context.Context, version int64) (end html.EntityVersion, err error) {
	err = h.read(ctx, version, version, 1, func(v html.EntityVersion) { end = v })
	return end, err
}

// versions reads versions, which are in order, and those right before them, to compare them with. Each
// run of consecutive versions is one query.
func (h history) versions(ctx context.Context, shown []int64) (versions []html.EntityVersion, err error) {
	for len(shown) > 0 {
		run := 1
		for run < len(shown) && shown[run] == shown[run-1]+1 {
			run++
		}
		first := shown[0]
		err := h.read(ctx, max(1, first-1), shown[run-1], html.EntityCut, func(v html.EntityVersion) {
			v.IsCompared = v.Version < first
			versions = append(versions, v)
		})
		if err != nil {
			return nil, err
		}
		shown = shown[run:]
	}
	return versions, nil
}

func (h history) read(ctx context.Context, first, last, cut int64, yield func(html.EntityVersion)) error {
	return h.log.EntityRows(ctx, h.feed.Key, h.subject, first, last, cut, func(row *store.EntityRow) error {
		yield(html.EntityVersion{Placed: row.Placed, Version: row.Version, DataSize: row.DataSize})
		return nil
	})
}
