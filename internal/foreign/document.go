package foreign

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// The link relations that lead back in a feed's history, RFC 5005 sections 4 and 3.
const (
	linkArchive = "prev-archive"
	linkPage    = "next"
)

// document is one document of a feed, in any format.
type document struct {
	url      *url.URL // the URL that returned it
	atom     bool     // Atom; otherwise RSS
	id       string   // Atom only
	title    string
	updated  time.Time
	links    map[string][]string // absolute URLs by relation, without fragments; a few for each
	archive  bool
	complete bool
	ours     bool
	charset  string // the warning about the document's encoding; may be empty

	entries []version // in the order of the document
	memory  int64     // approximate memory of the entries, in bytes
	settled bool      // see settle
	hash    feed.Digest
}

// version is an entry in one of its versions.
type version struct {
	raw     raw
	key     string // the key that all versions of the entry share
	updated int64  // microseconds since 1970; the later version has the larger value
	content int64  // a hash of the content, see checkpoint.Version
	event   event.Event
}

// maxFeedID is the maximum length of a feed's id, in bytes.
const maxFeedID = event.MaxAttribute

func withoutFragment(u *url.URL) string {
	plain := *withoutUser(u)
	plain.Fragment, plain.RawFragment = "", ""
	return plain.String()
}

func withoutUser(u *url.URL) *url.URL {
	plain := *u
	plain.User = nil
	return &plain
}

// makeEvents maps the entries to events of the feed, within the limit of memory. It keeps the
// entries' contents, so that they can be mapped again with another naming, see [document.settle].
func (d *document) makeEvents(ctx context.Context, of naming, l limits) error {
	if d.settled {
		return errors.New("its events were made for another name of the feed")
	}
	hash := sha256.New()
	var form []byte
	d.memory = 0
	for i := range d.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := &d.entries[i]
		if err := v.makeEvent(of.feedID, d.updated); err != nil {
			return err
		}
		if d.memory += int64(cloudevents.Size(&v.event)) + entryMemory; d.memory > l.memory {
			return l.exceeded()
		}
		hashed := v.event
		hashed.Time = time.Time{} // may be the document's
		form = binary.BigEndian.AppendUint64(form[:0], uint64(v.updated))
		form = cloudevents.AppendForm(form, &hashed)
		content := sha256.Sum256(form)
		v.content = max(1, int64(binary.BigEndian.Uint64(content[:])>>1))
		if of.all {
			v.key = fit(v.key+"\n"+hex.EncodeToString(content[:]), event.MaxID)
		}
		form = binary.BigEndian.AppendUint64(form, uint64(len(form)))
		_, _ = hash.Write(form)
	}
	d.hash = feed.Digest(hash.Sum(nil))
	return nil
}

// settle frees the entries' contents; after that their events cannot be made again.
func (d *document) settle() {
	d.settled = true
	for i := range d.entries {
		d.entries[i].raw.about = about{}
	}
}

// dropEvents frees the events of a document whose versions are enough.
func (d *document) dropEvents() {
	for i := range d.entries {
		d.entries[i].event = event.Event{}
	}
}

// latest returns the latest version of each entry in the document.
func (d *document) latest() []checkpoint.Version {
	all := make([]checkpoint.Version, 0, len(d.entries))
	at := make(map[string]int, len(d.entries))
	for i := range d.entries {
		v := &d.entries[i]
		if j, again := at[v.key]; again {
			if v.updated > all[j].Updated {
				all[j] = v.version()
			}
			continue
		}
		at[v.key] = len(all)
		all = append(all, v.version())
	}
	return all
}

// version returns what a consumer stores about an entry.
func (v *version) version() checkpoint.Version {
	return checkpoint.Version{Entry: v.key, Updated: v.updated, Content: v.content}
}

// pick returns the events of the given versions in the order in which they are applied: by their
// time of change. Events with the same time come in the order of the document; in reverse order if
// the document lists the newest first, which it does unless its last entry is later than its first.
func (d *document) pick(versions map[string]int64) (picked []*version) {
	taken := make(map[string]bool, len(versions))
	for i := range d.entries {
		v := &d.entries[i]
		if updated, wanted := versions[v.key]; wanted && updated == v.updated && !taken[v.key] {
			taken[v.key] = true
			picked = append(picked, v)
		}
	}
	if n := len(d.entries); n > 0 && d.entries[0].updated >= d.entries[n-1].updated {
		slices.Reverse(picked)
	}
	slices.SortStableFunc(picked, func(a, b *version) int {
		switch {
		case a.updated < b.updated:
			return -1
		case a.updated > b.updated:
			return 1
		}
		return 0
	})
	return picked
}

// before returns the URL of the previous document in the chain of a kind of feed; nil if there is
// none. Two different ones are an error.
func (d *document) before(kind Kind) (*url.URL, error) {
	relation := linkArchive
	switch kind {
	case Paged:
		relation = linkPage
	case Complete:
		return nil, nil
	}
	switch all := d.links[relation]; len(all) {
	case 0:
		return nil, nil
	case 1:
		target, err := url.Parse(all[0])
		if err == nil && len(all[0]) > maxURL {
			err = errors.New("the URL is too long")
		}
		if err != nil {
			return nil, mismatch(d.url, "its link %s leads nowhere: %w", relation, err)
		}
		return target, nil
	default:
		return nil, mismatch(d.url, "the chain of archives forks: it has two links %s, to %s and to %s", relation, all[0], all[1])
	}
}

// maxURL is the maximum length of an archive's URL, in bytes, because targets index the URLs.
const maxURL = 2000
