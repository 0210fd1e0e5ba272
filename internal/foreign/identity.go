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

// RFC 4287 section 4.2.6 gives a feed one atom:id, in all of its documents. Several
// publishers of event histories give each document an id of its own: a number at its
// end, the archive's name, a new UUID in each answer. So a feed is told from others
// in two ways: by its atom:id, where that is the same in its documents; else by its
// URL, and then by what leads from one document to the next:
//
//   - An archive or a page belongs to the feed if the links lead back as well
//     ([Reader.belongs]).
//   - A document belongs to the history that was read if its chain leads to an
//     archive that was applied, or has an entry that was ([Reader.prove]).

// statedID is what the feed's own document says that the feed is: by its atom:id,
// in RSS by its link self, or by its URL where it says neither.
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

// isAbsolute reports whether an id is a URI, which tells a feed from all others.
func isAbsolute(id string) bool {
	u, err := url.Parse(id)
	return err == nil && u.Scheme != ""
}

// idDiffers reports whether the atom:id of the feed's own document is not what the
// feed is known by, so that it proves nothing.
func (r *Reader) idDiffers() bool {
	return r.head.atom && fit(r.head.id, maxFeedID) != r.ID
}

// EpochOf returns the one epoch of the feed with an id: it tells a checkpoint of
// such a feed from one of eventfeed's own.
func EpochOf(feedID string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(feedID)).String()
}

// epochOfAll is the epoch of a consumer that was begun with Config.KeepSameID.
func epochOfAll(feedID string) string { return EpochOf(feedID + "\nall entries with the same id") }

// IsForeign reports whether a checkpoint is of a feed that is not eventfeed's own.
func IsForeign(c *checkpoint.Checkpoint) bool {
	return c.Epoch == EpochOf(c.FeedID) || c.Epoch == epochOfAll(c.FeedID)
}

// Recognize decides what a consumer with these checkpoints knows the feed by: by
// what one of them says, which is then given back with ok; or, where the consumer
// begins with the feed, by its atom:id or its URL. Look proves that it is the feed
// of the checkpoint.
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

// readsAt reports whether a checkpoint is of an Atom feed at the same URL.
func (r *Reader) readsAt(c *checkpoint.Checkpoint) bool {
	return r.head.atom && IsForeign(c) && c.URL == fetch.Shown(r.URL)
}

// Continue goes on with what a checkpoint says of the feed. It is a walk.ErrMismatch
// if the checkpoint is of another feed.
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

// identify decides what a consumer that begins with the feed knows it by: its URL
// where the documents show that they have an id each.
func (r *Reader) identify(ctx context.Context) error {
	if !r.head.atom || r.ID == r.ownID() {
		return nil
	}
	if r.IgnoreID || r.hasAnotherURL() {
		return r.rename(ctx, r.ownID())
	}
	other, err := r.sibling(ctx)
	if err != nil || other.id == r.head.id {
		return ctx.Err() // what cannot be read Look will report
	}
	return r.rename(ctx, r.ownID())
}

// ownID is what a feed is known by that has no id of its own.
func (r *Reader) ownID() string { return fit(withoutFragment(r.URL), maxFeedID) }

// hasAnotherURL reports whether the document says that it is also found under
// another URL of the same server. That is a document of several, such as the newest
// of those with a number.
func (r *Reader) hasAnotherURL() bool {
	return slices.ContainsFunc(r.head.links["via"], func(target string) bool {
		u, err := url.Parse(target)
		return err == nil && r.Client.Allows(u) && !r.isFeed(target)
	})
}

// sibling returns another document of the feed; the feed's own, fetched once more,
// where there is no other.
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

// rename makes the feed known by an id.
func (r *Reader) rename(ctx context.Context, id string) error {
	if id == r.ID && r.named == (naming{id, r.KeepSameID}) {
		return nil
	}
	r.ID, r.look, r.neighbor, r.seen = id, look{}, nil, make(map[string]*document)
	return r.nameEntries(ctx, r.head)
}

// naming is what the events of a document are made with.
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

// headURL is where the feed's own document is fetched from.
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

// headNames are the URLs of the feed's own document.
func (r *Reader) headNames() []string {
	names := []string{withoutFragment(r.URL), withoutFragment(r.headURL()), withoutFragment(r.head.url)}
	return append(append(names, r.head.links["self"]...), r.head.links["current"]...)
}

// names are the URLs that a document gives itself, and the one it was fetched from.
func (d *document) names() []string {
	return slices.Concat([]string{withoutFragment(d.url)}, d.links["self"], d.links["via"])
}

// belongs makes sure that an archive or a page that w has led to is of the feed: its
// atom:id says so, or links that lead back to where w came from, or to the feed's own
// document.
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

// prove makes sure that a feed whose atom:id says nothing is the one that was read up
// to a place: the way back has met an archive that was applied, or has come across an
// entry that was.
func (r *Reader) prove(from walk.Place, w *backwalk, base string) error {
	isBegun := from.Position > 0 || r.ID != r.ownID()
	if !r.idDiffers() || r.IgnoreID || !isBegun || base != "" || w.familiar {
		return nil
	}
	return mismatch(r.head.url, "%w: none of the entries that it has now was read before: %w", walk.ErrReplaced, ErrOtherID)
}

// aboutID says of an error of a feed whose atom:id is not the one that it is known by
// what it is now.
func (r *Reader) aboutID(err error) error {
	if err == nil || !r.idDiffers() {
		return err
	}
	return fmt.Errorf("is the feed %q now, was %q: %w", r.head.id, r.ID, err)
}
