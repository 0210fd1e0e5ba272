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

// Links that lead back in a feed's history, RFC 5005 sections 4 and 3.
const (
	linkArchive = "prev-archive"
	linkPage    = "next"
)

// document is one document of a feed, whatever its format.
type document struct {
	url      *url.URL // where it came from
	atom     bool     // else RSS
	id       string   // Atom only
	title    string
	updated  time.Time
	links    map[string][]string // absolute URLs by relation, without fragments; few of each
	archive  bool
	complete bool
	ours     bool
	charset  string // what was wrong with what is said of the document's encoding; may be empty

	entries []version // in the order of the document
	memory  int64     // that they take, in bytes, roughly
	settled bool      // see settle
	hash    feed.Digest
}

// version is an entry in one of its versions.
type version struct {
	raw     raw
	key     string // what its versions have in common
	updated int64  // microseconds since 1970; what tells the later of two
	content int64  // a hash of what it says, see checkpoint.Version
	event   event.Event
}

// maxFeedID bounds what a feed is known by, in bytes.
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

// makeEvents maps the entries to events of the feed, as far as they may take that much
// memory. What the entries say is kept for another naming, see [document.settle].
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

// settle frees what the entries say besides their events, which are made for good.
func (d *document) settle() {
	d.settled = true
	for i := range d.entries {
		d.entries[i].raw.about = about{}
	}
}

// dropEvents frees the events of a document of which only the versions are needed.
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

// version is what a consumer remembers of an entry.
func (v *version) version() checkpoint.Version {
	return checkpoint.Version{Entry: v.key, Updated: v.updated, Content: v.content}
}

// pick returns the events of the given versions in the order in which they are
// applied, by their time of change. Of those of one time the one that stands
// further down comes first where the document lists the newest first, which it
// does unless the last one is of a later time than the first.
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

// before returns the URL of the document before this one in the chain that a
// kind of feed has; nil where there is none. There must not be two.
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

// maxURL bounds the URL of an archive, in bytes; a target keeps them in an index.
const maxURL = 2000
