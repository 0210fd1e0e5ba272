package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// look is the result of one traversal back.
type look struct {
	done  bool
	from  walk.Place
	last  int64            // position of the feed's end after everything is applied
	base  string           // URL of the archive after which Walk starts; empty: it starts with the oldest
	head  map[string]int64 // versions to apply from the feed's own document
	trail bool             // archives are marked as applied, because they never change
}

// backwalk is the state of one traversal along prev-archive links.
type backwalk struct {
	at     *url.URL // the last document passed
	names  []string // its URLs
	next   *url.URL // the document before it
	known  checkpoint.Counts
	passed int64 // archives passed that are not applied
	// familiar reports that an applied entry was found. It is searched for if the feed's atom:id
	// does not identify the feed.
	familiar bool
}

// Look follows the chain back to what was applied up to a place, and prepares Last and Walk. Any
// inconsistency is an ErrMismatch.
func (r *Reader) Look(ctx context.Context, from walk.Place) error {
	if r.look.done && r.look.from == from {
		return nil
	}
	if from.Epoch != r.Epoch() {
		return mismatch(r.head.url, "%w: it was served by eventfeed when it was read last, and no longer says that it is", walk.ErrReplaced)
	}
	err := r.forgetting(ctx, r.aboutID(r.goBack(ctx, from)))
	if err == nil {
		r.head.settle()
		r.warn()
	}
	return err
}

// ForgetLook makes the next Look follow the chain again, although it did so from the same place:
// the memory may be that of another target now.
func (r *Reader) ForgetLook() { r.look.done = false }

// forgetting returns err. If the feed is inconsistent, it deletes what is stored and not applied,
// which would be wrong after the feed has been repaired.
func (r *Reader) forgetting(ctx context.Context, err error) error {
	if errors.Is(err, walk.ErrMismatch) {
		if forgetErr := r.memory.Forget(ctx); forgetErr != nil {
			return errors.Join(err, forgetErr)
		}
	}
	return err
}

func (r *Reader) goBack(ctx context.Context, from walk.Place) error {
	if r.Kind == Paged {
		if err := r.newPages(ctx); err != nil {
			return err
		}
	}
	r.sharing.begin()
	base, passed, err := r.chain(ctx, from)
	if err != nil {
		return err
	}
	known, err := r.memory.Counts(ctx)
	if err != nil {
		return err
	}
	if passed != known.Open { // an earlier traversal has passed archives that do not exist any more
		if err := r.memory.Forget(ctx); err != nil {
			return err
		}
		r.sharing.begin()
		if base, passed, err = r.chain(ctx, from); err != nil {
			return err
		}
		if known, err = r.memory.Counts(ctx); err != nil {
			return err
		}
		if passed != known.Open {
			return mismatch(r.head.url, "the chain of archives has %d that are new, %d were found", passed, known.Open)
		}
	}
	if r.Kind == Archived {
		if base, err = r.markEmpty(ctx, base); err != nil {
			return err
		}
	}
	r.look = look{done: true, from: from, base: base, last: from.Position + known.Pending, trail: r.Kind == Archived}
	if err := r.pickHead(ctx); err != nil {
		return err
	}
	r.endSharing()
	return nil
}

// markEmpty marks the archives that follow the last applied one and have nothing to apply, because
// their entries were applied from the feed's own document. It returns the URL of the last one.
func (r *Reader) markEmpty(ctx context.Context, base string) (string, error) {
	for {
		a, err := r.memory.After(ctx, base)
		if err != nil || a == nil {
			return base, err
		}
		if !a.Applied {
			pending, err := r.memory.Pending(ctx, a.Number)
			if err != nil || len(pending) > 0 {
				return base, err
			}
			if err := r.memory.Mark(ctx, checkpoint.Marks{Archives: []string{a.URL}}); err != nil {
				return base, err
			}
		}
		base = a.URL
	}
}

// pickHead selects the versions to apply from the feed's own document: those that are later than
// all known ones.
func (r *Reader) pickHead(ctx context.Context) error {
	versions, known, err := r.knownOf(ctx, r.head)
	if err != nil {
		return err
	}
	r.sharing.add(r.head, known, true)
	r.look.head = make(map[string]int64)
	for _, v := range versions {
		k, isKnown := known[v.Entry]
		if isKnown && v.Updated <= k.Latest {
			continue
		}
		r.look.head[v.Entry] = v.Updated
		if !k.Pending { // otherwise it replaces a version that is counted already
			r.look.last++
		}
	}
	return nil
}

// knownOf returns a document's latest versions, and what is known about their entries.
func (r *Reader) knownOf(ctx context.Context, d *document) ([]checkpoint.Version, map[string]checkpoint.Known, error) {
	versions := d.latest()
	entries := make([]string, len(versions))
	for i, v := range versions {
		entries[i] = v.Entry
	}
	known, err := r.memory.Known(ctx, entries)
	return versions, known, err
}

// chain follows the chain of archives back from the feed's own document. It returns the URL of the
// applied archive at which it stopped, or an empty one if it reached the oldest archive, and the
// number of archives passed that are not applied.
func (r *Reader) chain(ctx context.Context, from walk.Place) (base string, passed int64, err error) {
	w, err := r.newWay(ctx)
	if err != nil {
		return "", 0, err
	}
	isNew := true
	if r.Kind == Paged {
		isNew, err = r.hasNews(ctx, r.head)
	}
	if err == nil && isNew {
		base, err = r.back(ctx, w)
	}
	if err == nil {
		err = r.prove(from, w, base)
	}
	return base, w.passed, err
}

// newWay starts a traversal at the feed's own document.
func (r *Reader) newWay(ctx context.Context) (w *backwalk, err error) {
	w = &backwalk{at: r.head.url, names: append(r.headNames(), r.head.names()...)}
	if w.next, err = r.head.before(r.Kind); err != nil {
		return nil, err
	}
	if w.known, err = r.memory.Counts(ctx); err != nil {
		return nil, err
	}
	return w, r.recall(ctx, w, r.head)
}

// recall records whether a document has an entry that was applied.
func (r *Reader) recall(ctx context.Context, w *backwalk, d *document) error {
	if w.familiar || !r.idDiffers() {
		return nil
	}
	_, known, err := r.knownOf(ctx, d)
	for _, k := range known {
		w.familiar = w.familiar || !k.Pending
	}
	return err
}

// back makes the steps of chain.
func (r *Reader) back(ctx context.Context, w *backwalk) (base string, err error) {
	for w.next != nil {
		if err := r.check(w); err != nil {
			return "", err
		}
		a, err := r.memory.Archive(ctx, w.next.String())
		if err != nil {
			return "", err
		}
		if a != nil && a.Applied {
			return a.URL, r.verifyMeetingPoint(ctx, w, a)
		}
		if w.passed >= r.MaxArchives {
			return "", mismatch(w.at, "the chain of archives is longer than %d", r.MaxArchives)
		}
		more := true
		if a != nil {
			err = w.pass(a)
		} else {
			more, err = r.record(ctx, w)
		}
		if err != nil {
			return "", err
		}
		if !more {
			return w.next.String(), nil
		}
	}
	return "", w.ended()
}

// check checks the next step: its origin must be allowed, and the chain must not loop.
func (r *Reader) check(w *backwalk) error {
	switch {
	case !r.Client.Allows(w.next):
		return mismatch(w.at, "its archives are at %s: %w", w.next.Redacted(), r.Client.CheckOrigin(w.next))
	case r.isFeed(w.next.String()):
		return mismatch(w.at, "the chain of archives loops: it leads back to the feed at %s", w.next.Redacted())
	case w.passed > w.known.Open:
		return mismatch(w.at, "the chain of archives loops: it leads back to %s", w.next.Redacted())
	}
	return nil
}

// pass makes a step past an archive that was recorded before.
func (w *backwalk) pass(a *checkpoint.Archive) (err error) {
	w.passed++
	w.at, w.names, w.next = w.next, []string{a.URL}, nil
	if a.Prev != "" {
		w.next, err = url.Parse(a.Prev)
	}
	return err
}

// ended checks a chain that has reached its oldest archive: if archives were applied, one of them
// must be in it.
func (w *backwalk) ended() error {
	if w.known.Applied > 0 {
		return mismatch(w.at, "%w: the chain of archives ends here, and reaches none of the %d that were read", walk.ErrReplaced, w.known.Applied)
	}
	return nil
}

// record fetches the next archive and stores it. It reports whether to continue: it does not after
// a page of a paged feed with nothing new.
func (r *Reader) record(ctx context.Context, w *backwalk) (more bool, err error) {
	d, err := r.getNext(ctx, w.next)
	if err != nil {
		return false, err
	}
	if err := r.belongs(d.document, w); err != nil {
		return false, err
	}
	next, err := d.before(r.Kind)
	if err != nil {
		return false, err
	}
	if err := r.recall(ctx, w, d.document); err != nil {
		return false, err
	}
	versions, known, err := r.knownOf(ctx, d.document)
	if err != nil {
		return false, err
	}
	r.sharing.add(d.document, known, false)
	a := checkpoint.Archive{URL: w.next.String(), Hash: d.hash}
	if next != nil {
		a.Prev = next.String()
	}
	if err := r.memory.Record(ctx, &a, versions); err != nil {
		return false, err
	}
	w.passed++
	w.known.Open++
	w.at, w.names, w.next = w.next, append(d.names(), w.next.String()), next
	if r.Kind != Paged {
		return true, nil
	}
	if err := r.pages.put(a.Number, d); err != nil {
		return false, fmt.Errorf("keep %s: %w", d.url.Redacted(), err)
	}
	pending, err := r.memory.Pending(ctx, a.Number)
	return next == nil || len(pending) > 0 || len(d.entries) == 0, err
}

// getNext fetches the next archive, unless identify has fetched it.
func (r *Reader) getNext(ctx context.Context, target *url.URL) (*fetched, error) {
	f := r.neighbor
	r.neighbor = nil
	if f != nil && f.from.String() == target.String() {
		return f, nil
	}
	return r.get(ctx, target)
}

// verifyMeetingPoint checks the applied archive at which the traversal stopped: it must be
// unchanged, and still the last one applied if there are new archives after it.
func (r *Reader) verifyMeetingPoint(ctx context.Context, w *backwalk, a *checkpoint.Archive) error {
	if w.passed > 0 && a.Followed {
		return mismatch(w.at, "%w: it follows the archive %s, as another one does that was read", walk.ErrReplaced, a.URL)
	}
	d, err := r.get(ctx, w.next)
	if err != nil {
		return err
	}
	return r.compare(d.document, a)
}

// compare checks that an archive is the same as when it was recorded.
func (r *Reader) compare(d *document, a *checkpoint.Archive) error {
	prev := ""
	before, err := d.before(r.Kind)
	if err != nil {
		return err
	}
	if before != nil {
		prev = before.String()
	}
	switch {
	case d.hash != a.Hash:
		return mismatch(d.url, "%w: this archive has changed since it was read", walk.ErrReplaced)
	case prev != a.Prev:
		return mismatch(d.url, "%w: the archive before this one was %q, and is %q now", walk.ErrReplaced, a.Prev, prev)
	}
	return nil
}
