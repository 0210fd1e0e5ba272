package foreign

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// RFC 4287 section 4.2.6 requires the same atom:id in all documents of a feed. Several publishers
// of event histories give each document its own id: a number at its end, the archive's name, a new
// UUID in each answer. So a feed is identified in two ways: by its atom:id, if that is the same in
// its documents; otherwise by its URL, and then by the links between its documents:
//
//   - An archive or a page belongs to the feed if the links lead back as well ([Reader.belongs]).
//   - A document belongs to the history that was read if its chain leads to an archive that was
//     applied, or has an entry that was ([Reader.prove]).

// statedID returns the id that the feed's own document states: its atom:id, in RSS its link self,
// or without these its URL.
func (r *Reader) statedID(head *document) string {
	id := head.id
	if self := head.links["self"]; !head.atom && len(self) == 1 {
		id = self[0]
	}
	if head.atom && !isAbsolute(id) { // "recent" is an id of many feeds
		id = ""
	}
	if id == "" {
		return r.ownID()
	}
	return fit(id, maxFeedID)
}

// isAbsolute reports whether an id is an absolute URI, and so unique.
func isAbsolute(id string) bool {
	u, err := url.Parse(id)
	return err == nil && u.Scheme != ""
}

// idDiffers reports whether the atom:id of the feed's own document differs from the feed's id, so
// that it proves nothing.
func (r *Reader) idDiffers() bool {
	return r.head.atom && fit(r.head.id, maxFeedID) != r.ID
}

// EpochOf returns the only epoch of the foreign feed with an id. It distinguishes a checkpoint of a
// foreign feed from one of eventfeed's own.
func EpochOf(feedID string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(feedID)).String()
}

// epochOfAll returns the epoch of a consumer that was started with Config.KeepSameID.
func epochOfAll(feedID string) string { return EpochOf(feedID + "\nall entries with the same id") }

// IsForeign reports whether a checkpoint is one of a foreign feed.
func IsForeign(c *checkpoint.Checkpoint) bool {
	return c.Epoch == EpochOf(c.FeedID) || c.Epoch == epochOfAll(c.FeedID)
}

// Recognize decides by which id a consumer with these checkpoints knows the feed: by the id in one
// of them, or, if the consumer has not read the feed before, by the atom:id or the URL. Look proves
// that it is the feed of the checkpoint.
func (r *Reader) Recognize(ctx context.Context, found []checkpoint.Checkpoint) error {
	for i := range found {
		if found[i].FeedID == r.ID {
			return r.Continue(ctx, &found[i])
		}
	}
	for i := range found {
		if r.readsAt(&found[i]) {
			return r.Continue(ctx, &found[i])
		}
	}
	if r.IgnoreID && len(found) == 1 && IsForeign(&found[0]) {
		return r.Continue(ctx, &found[0])
	}
	return r.identify(ctx)
}

// readsAt reports whether a checkpoint is one of an Atom feed at the same URL.
func (r *Reader) readsAt(c *checkpoint.Checkpoint) bool {
	return r.head.atom && IsForeign(c) && c.URL == fetch.Shown(r.URL)
}

// Continue sets the id by which a checkpoint knows the feed. It returns a walk.ErrMismatch if the
// checkpoint is one of another feed.
func (r *Reader) Continue(ctx context.Context, c *checkpoint.Checkpoint) error {
	all := c.Epoch == epochOfAll(c.FeedID)
	switch {
	case c.FeedID != r.ID && !r.readsAt(c) && !r.IgnoreID:
		return fmt.Errorf("%w: %s: is feed %s (%s) now", walk.ErrMismatch, r.URL.Redacted(), r.Name, r.ID)
	case r.KeepSameID && !all && IsForeign(c):
		return fmt.Errorf("%w: %s: consumer %s was started without --keep-same-id, which has to be given from its first run on", walk.ErrMismatch, r.URL.Redacted(), c.Consumer)
	case all:
		r.KeepSameID = true
	}
	return r.rename(ctx, c.FeedID)
}

// identify decides by which id a new consumer knows the feed: by its URL if its documents have
// different ids.
func (r *Reader) identify(ctx context.Context) error {
	if !r.head.atom || r.ID == r.ownID() {
		return nil
	}
	if r.IgnoreID || r.hasAnotherURL() {
		return r.rename(ctx, r.ownID())
	}
	other, err := r.sibling(ctx)
	if err != nil || other.id == r.head.id {
		return ctx.Err() // Look will report a document that cannot be read
	}
	return r.rename(ctx, r.ownID())
}

// ownID returns the id of a feed that has none of its own: its URL.
func (r *Reader) ownID() string { return fit(withoutFragment(r.URL), maxFeedID) }

// hasAnotherURL reports whether the document states that it also has another URL on the same
// server. Then it is one of several documents, such as the newest of those with a number.
func (r *Reader) hasAnotherURL() bool {
	return slices.ContainsFunc(r.head.links["via"], func(target string) bool {
		u, err := url.Parse(target)
		return err == nil && r.Client.Allows(u) && !r.isFeed(target)
	})
}

// sibling returns another document of the feed; if there is no other, the feed's own document,
// fetched again.
func (r *Reader) sibling(ctx context.Context) (*document, error) {
	target, err := r.head.before(r.Kind)
	if err != nil {
		return nil, err
	}
	if target == nil {
		answer, err := r.Client.Get(ctx, r.headURL(), "Cache-Control", "no-cache", "Accept", accept)
		if err != nil {
			return nil, err
		}
		return parse(ctx, answer.Body, answer.URL, answer.Header.Get("Content-Type"), r.limits())
	}
	if !r.Client.Allows(target) {
		return nil, r.Client.CheckOrigin(target)
	}
	fetched, err := r.get(ctx, target)
	if err != nil {
		return nil, err
	}
	r.neighbor = fetched
	return fetched.document, nil
}

// rename sets the feed's id.
func (r *Reader) rename(ctx context.Context, id string) error {
	if id == r.ID && r.named == (naming{id, r.KeepSameID}) {
		return nil
	}
	r.ID, r.look, r.neighbor, r.seen = id, look{}, nil, make(map[string]*document)
	return r.nameEntries(ctx, r.head)
}

// naming is how the events of a document are made: with the feed's id, and from all entries with
// the same id or only the latest.
type naming struct {
	feedID string
	all    bool
}

// nameEntries makes the events of the feed's own document.
func (r *Reader) nameEntries(ctx context.Context, head *document) error {
	r.named = naming{r.ID, r.KeepSameID}
	if err := head.makeEvents(ctx, r.named, r.limits()); err != nil {
		return &fetch.Error{URL: head.url.Redacted(), Err: err}
	}
	return nil
}

// headURL returns the URL of the feed's own document.
func (r *Reader) headURL() *url.URL {
	if r.firstPage != nil {
		return r.firstPage
	}
	return r.URL
}

// isFeed reports whether a URL is that of the feed's own document.
func (r *Reader) isFeed(target string) bool {
	return target == r.ID || slices.Contains(r.headNames(), target)
}

// headNames returns the URLs of the feed's own document.
func (r *Reader) headNames() []string {
	names := []string{withoutFragment(r.URL), withoutFragment(r.headURL()), withoutFragment(r.head.url)}
	return append(append(names, r.head.links["self"]...), r.head.links["current"]...)
}

// names returns the URLs that a document states for itself, and the one that it was fetched from.
func (d *document) names() []string {
	return slices.Concat([]string{withoutFragment(d.url)}, d.links["self"], d.links["via"])
}

// belongs checks that the next archive or page of w belongs to the feed: by its atom:id, or by
// links that lead back to the document before or to the feed's own document.
func (r *Reader) belongs(d *document, w *backwalk) error {
	current := d.links["current"]
	leadsBack := slices.ContainsFunc(current, r.isFeed)
	for _, relation := range []string{"next-archive", "previous", "prev"} {
		leadsBack = leadsBack || slices.ContainsFunc(d.links[relation], func(target string) bool { return slices.Contains(w.names, target) || r.isFeed(target) })
	}
	switch {
	case d.atom != r.head.atom:
		return mismatch(d.url, "is an archive of another feed: it is %s, and the feed is %s", d.format(), r.head.format())
	case r.IgnoreID, leadsBack, d.atom && d.id == r.head.id, !d.atom && len(current) != 1:
		return nil
	case !d.atom:
		return mismatch(d.url, "is an archive of another feed, at %s, not of %q", current[0], r.ID)
	}
	return mismatch(d.url, "is an archive of another feed, %q, not of %q, and has no link back to %s: %w", d.id, r.head.id, w.at.Redacted(), ErrOtherID)
}

func (d *document) format() string {
	if d.atom {
		return "Atom"
	}
	return "RSS"
}

// prove checks that a feed whose atom:id proves nothing is the one that was read up to a place: the
// traversal has reached an archive that was applied, or has found an entry that was.
func (r *Reader) prove(from walk.Place, w *backwalk, base string) error {
	isBegun := from.Position > 0 || r.ID != r.ownID()
	if !r.idDiffers() || r.IgnoreID || !isBegun || base != "" || w.familiar {
		return nil
	}
	return mismatch(r.head.url, "%w: none of the entries that it has now was read before: %w", walk.ErrReplaced, ErrOtherID)
}

// aboutID adds the current atom:id to an error of a feed whose atom:id has changed.
func (r *Reader) aboutID(err error) error {
	if err == nil || !r.idDiffers() {
		return err
	}
	return fmt.Errorf("is the feed %q now, was %q: %w", r.head.id, r.ID, err)
}
