package site

import (
	"context"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// HistoryError reports that site and log have different histories. Nothing is written.
type HistoryError struct {
	Err  error
	Next string // the next step
}

func (e *HistoryError) Error() string { return e.Err.Error() }

func (e *HistoryError) Unwrap() error { return e.Err }

func foreign(format string, values ...any) error {
	return &HistoryError{
		Err:  fmt.Errorf(format, values...),
		Next: "export to another place, or move the documents of the other feed away",
	}
}

// begin compares the site with the log, and returns the first archive to write.
func (e *Exporter) begin(ctx context.Context, head *store.Head) (from int64, err error) {
	if e.site.document == nil {
		return e.resume(ctx, head, 1)
	}
	lost, err := e.compare(ctx, e.site.document, head)
	if err != nil {
		return 0, err
	}
	if lost != nil {
		if !e.AcceptEpoch {
			return 0, lost.refusal(e.Feed)
		}
		return e.keep(ctx, lost, head)
	}
	from = max(1, e.site.archives()) // the newest one is to be final
	if n := head.Feed.Archives; n == e.site.archives() && pageOf(e.site.document.Epochs, n) == pageOf(head.Feed.Epochs, n) {
		from = n + 1
	}
	return e.resume(ctx, head, from)
}

// lost is what only the site has: the log goes on under another epoch from an earlier position.
type lost struct {
	site   *feed.Document
	common int // number of epochs that both have
	last   int64
	next   string // epoch of the log after that position
}

func (l *lost) refusal(name string) error {
	return &HistoryError{
		Err: fmt.Errorf("the log continues under epoch %s after position %d, and the site goes on to position %d: %d events are in the site only",
			l.next, l.last, l.site.Last, l.site.Last-l.last),
		Next: "restore the log with them, or continue under the new epoch, which keeps them below feeds/" + name + "/lost/, with --accept-epoch",
	}
}

// compare returns nil if the history of the site is the beginning of the log's.
func (e *Exporter) compare(ctx context.Context, site *feed.Document, head *store.Head) (*lost, error) {
	f := head.Feed
	if site.ID != f.ID {
		return nil, foreign("the site has feed %s (%s), which is not the log's (%s)", site.ID, site.Name, f.ID)
	}
	common := 0
	for common < min(len(site.Epochs), len(f.Epochs)) && site.Epochs[common].ID == f.Epochs[common].ID {
		common++
	}
	if common == 0 {
		return nil, foreign("the site has the feed's epoch %s from position 1 on, and the log has %s", site.Epochs[0].ID, f.Epochs[0].ID)
	}
	if common < len(f.Epochs) {
		if last := f.Epochs[common].FirstPosition - 1; last < site.Last {
			return &lost{site: site, common: common, last: last, next: f.Epochs[common].ID}, e.sameAt(ctx, last, site, head)
		}
	}
	if site.Last > f.Position || common < len(site.Epochs) {
		return nil, &HistoryError{
			Err: fmt.Errorf("the site goes on to position %d of epoch %s, and the log ends at position %d of epoch %s: an old backup of the log was restored",
				site.Last, feed.EpochOfPosition(site.Epochs, site.Last), f.Position, f.Epoch()),
			Next: "restore a newer backup; or begin a new epoch there with: feedserver new-epoch " + f.Name,
		}
	}
	return nil, e.sameAt(ctx, site.Last, site, head)
}

// sameAt returns an error if site and log have different digests at a position. It knows the site's
// only for those in its subscription document.
func (e *Exporter) sameAt(ctx context.Context, position int64, site *feed.Document, head *store.Head) error {
	if position < site.First-1 {
		return nil // the archives are compared
	}
	theirs, err := site.DigestAt(position)
	if err != nil {
		return foreign("the subscription document of the site: %w", err)
	}
	d := head.Document
	if position >= d.First-1 && position <= d.Last {
		ours, err := d.DigestAt(position)
		return errorOr(err, different(position, theirs, ours))
	}
	ours, err := e.Log.DigestAt(ctx, head.Feed, position)
	return errorOr(err, different(position, theirs, ours))
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func different(position int64, theirs, ours feed.Digest) error {
	if theirs == ours {
		return nil
	}
	return &HistoryError{
		Err:  fmt.Errorf("the site has digest %s at position %d, and the log has %s: their histories differ before it", theirs, position, ours),
		Next: "check the log with: feedserver verify; and the site with: seeder verify",
	}
}
