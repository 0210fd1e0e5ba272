package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// entityPart is a run of versions that are in one archive, or in none yet.
type entityPart struct {
	first, last int64
	closedAt    int64 // position of the version that closed it; 0 while it is open
}

// entityParts are the parts of the [feed.EntityArchiveSize] versions that version is one of, as far as they
// are published, and the outline of these versions.
type entityParts struct {
	parts   []entityPart
	outline []EntityOutline
}

// readEntityParts reads the outline of the versions around version, up to the version end.
func readEntityParts(ctx context.Context, log Snapshot, f *Feed, subject string, version, end int64) (p entityParts, err error) {
	first := (version-1)/feed.EntityArchiveSize*feed.EntityArchiveSize + 1
	last := first + feed.EntityArchiveSize - 1
	if first > end {
		return p, nil
	}
	p.outline, err = log.EntityOutline(ctx, f.Key, subject, first, min(last, end))
	if err == nil && int64(len(p.outline)) != min(last, end)-first+1 {
		err = fmt.Errorf("%w: %d versions of %q from %d to %d", ErrDoesNotAddUp, len(p.outline), subject, first, min(last, end))
	}
	if err != nil {
		return p, err
	}
	open := entityPart{first: first, last: first - 1}
	bytes := int64(0)
	for _, e := range p.outline {
		if open.last >= open.first && bytes+e.Bytes > feed.EntityArchiveBytes {
			open.closedAt = e.Position
			p.parts = append(p.parts, open)
			open, bytes = entityPart{first: e.Version, last: e.Version - 1}, 0
		}
		open.last, bytes = e.Version, bytes+e.Bytes
		if e.Version == last {
			open.closedAt = e.Position
		}
	}
	p.parts = append(p.parts, open)
	return p, nil
}

// at returns the part with a version, and whether there is one.
func (p *entityParts) at(version int64) (entityPart, bool) {
	for _, part := range p.parts {
		if part.first <= version && version <= part.last {
			return part, true
		}
	}
	return entityPart{}, false
}

// EntityDocument returns the subscription document of an entity, whose end is not 0: all versions that
// are in no archive, and at least [feed.MinEntries], as long as those in archives fit
// [feed.EntityArchiveBytes] together with the others.
func EntityDocument(ctx context.Context, log Snapshot, f *Feed, subject string, end int64) (*feed.EntityDocument, error) {
	d := f.entityDocument(feed.Subscription, subject)
	parts, err := readEntityParts(ctx, log, f, subject, end, end)
	if err != nil {
		return nil, err
	}
	open, _ := parts.at(end)
	if open.closedAt > 0 {
		open = entityPart{first: end + 1, last: end}
	}
	if open.first > 1 {
		d.Previous = &feed.EntityArchive{Epoch: f.Epoch(), Last: open.first - 1}
	}
	d.Last = end
	if d.First, err = fitEntity(ctx, log, f, subject, open, parts.outline); err != nil {
		return nil, err
	}
	return d, fillEntity(ctx, log, f, d)
}

// fitEntity returns the first version of a subscription document. outline ends with the open part.
func fitEntity(ctx context.Context, log Snapshot, f *Feed, subject string, open entityPart, outline []EntityOutline) (int64, error) {
	room, first := int64(feed.EntityArchiveBytes), open.first
	for _, e := range outline {
		if e.Version >= first {
			room -= e.Bytes
		}
	}
	wanted := open.last - feed.MinEntries + 1
	if wanted >= first || first == 1 {
		return first, nil
	}
	before, err := log.EntityOutline(ctx, f.Key, subject, max(1, wanted), first-1)
	for i := len(before) - 1; i >= 0 && room >= before[i].Bytes; i-- {
		room -= before[i].Bytes
		first = before[i].Version
	}
	return first, err
}

// EntityArchive is an archive of an entity.
type EntityArchive struct {
	*feed.EntityDocument
	NextClosedAt int64 // position that closed the archive after it; 0 if there is none
}

// FindEntityArchive returns an archive of an entity whose last published version is end, without its
// entries. The error is ErrNoPage, or ErrPageGone for one that may have been there in an epoch that has
// lost its end, wrapped. With ErrPageGone it returns the archive that replaces it, or nil.
func FindEntityArchive(ctx context.Context, log Snapshot, f *Feed, subject string, end int64, a feed.EntityArchive) (*EntityArchive, error) {
	found, err := findEntityArchive(ctx, log, f, subject, end, a.Last)
	isKnown := slices.ContainsFunc(f.Epochs, func(e feed.Epoch) bool { return e.ID == a.Epoch })
	switch {
	case err != nil:
		return nil, err
	case !isKnown || found == nil && a.Epoch == f.Epoch():
		return nil, fmt.Errorf("%w: no archive of this entity ends with version %d under epoch %.40s; it has %d versions", ErrNoPage, a.Last, a.Epoch, end)
	case found == nil:
		return nil, fmt.Errorf("%w: epoch %s has lost its end, and no archive of this entity ends with version %d now; it has %d versions", ErrPageGone, a.Epoch, a.Last, end)
	case found.Epoch != a.Epoch:
		return found, fmt.Errorf("%w: the archive that ends with version %d is under epoch %s now", ErrPageGone, a.Last, found.Epoch)
	}
	return found, nil
}

// findEntityArchive returns the archive that ends with a version; nil if there is none.
func findEntityArchive(ctx context.Context, log Snapshot, f *Feed, subject string, end, last int64) (*EntityArchive, error) {
	if last < 1 || last > end {
		return nil, nil
	}
	parts, err := readEntityParts(ctx, log, f, subject, last, end)
	part, isFound := parts.at(last)
	if err != nil || !isFound || part.last != last || part.closedAt == 0 {
		return nil, err
	}
	d := f.entityDocument(feed.Archive, subject)
	d.Epoch, d.First, d.Last = f.Epoch(), part.first, part.last
	next, isFound := parts.at(last + 1)
	if !isFound {
		if parts, err = readEntityParts(ctx, log, f, subject, last+1, end); err != nil {
			return nil, err
		}
		next, _ = parts.at(last + 1)
	}
	if next.closedAt > 0 {
		// The URL that it had when it was closed: that of the present epoch at that time.
		d.Epoch = feed.EpochOfPosition(f.Epochs, next.closedAt)
		d.Next = &feed.EntityArchive{Epoch: d.Epoch, Last: next.last}
	}
	if part.first > 1 {
		d.Previous = &feed.EntityArchive{Epoch: feed.EpochOfPosition(f.Epochs, part.closedAt), Last: part.first - 1}
	}
	return &EntityArchive{EntityDocument: d, NextClosedAt: next.closedAt}, nil
}

// Fill reads the entries of the archive.
func (a *EntityArchive) Fill(ctx context.Context, log Snapshot, f *Feed) error {
	return fillEntity(ctx, log, f, a.EntityDocument)
}

func (f *Feed) entityDocument(kind feed.Kind, subject string) *feed.EntityDocument {
	return &feed.EntityDocument{Kind: kind, FeedID: f.ID, Name: f.Name, Title: f.Title, Author: f.Author, Subject: subject}
}

// fillEntity reads the entries from d.First to d.Last.
func fillEntity(ctx context.Context, log Snapshot, f *Feed, d *feed.EntityDocument) error {
	d.Entries = make([]event.Placed, 0, d.Last-d.First+1)
	err := log.EntityRows(ctx, f.Key, d.Subject, d.First, d.Last, 0, func(row *EntityRow) error {
		d.Entries = append(d.Entries, row.Placed)
		d.Updated = row.Recorded
		return nil
	})
	if err == nil && int64(len(d.Entries)) != d.Last-d.First+1 {
		err = fmt.Errorf("%w: %d events of %q at versions %d to %d", ErrDoesNotAddUp, len(d.Entries), d.Subject, d.First, d.Last)
	}
	return err
}
