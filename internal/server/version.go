package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	build "github.com/eventfeed/eventfeed/internal/version"
)

// version is one version of a subscription document, with its representations.
type version struct {
	feed     *store.Feed // from the same snapshot as the document
	document *feed.Document
	making   *room  // the room for making representations
	place    string // the beginning of each ETag, see place
	history  string // everything else that the document contains, for the ETag

	mu              sync.Mutex
	representations map[representationKey]*representation
	room            int64 // remaining bytes for representations whose number clients decide

	naming sync.Mutex // separate from mu, so that computing a tag does not wait for a representation
	tags   map[representationKey]string
}

// representationKey identifies a representation of a version: the whole document, or a delta with
// the entries after a position.
type representationKey struct {
	form    *form
	coding  string
	base    string // absolute URL of the server, for forms that need it
	isDelta bool
	since   int64
}

// program is the program's version, which is part of the ETag of forms that are not fixed.
var program = build.Read().String()

// keptForClients limits the memory for representations whose number clients decide: deltas, and
// those that contain the URL of the request. It is a multiple of the document's size;
// leastKeptForClients is the minimum in bytes.
const (
	keptForClients      = 2
	leastKeptForClients = 32 << 10
)

// maxTags is the maximum number of cached tags.
const maxTags = 64

// digestInTag is the number of digits of the digest in an ETag.
const digestInTag = 16

func newVersion(f *store.Feed, d *feed.Document, making *room) *version {
	return &version{
		feed: f, document: d, making: making,
		place:           place{d.Last, d.DigestAfter.String()[:digestInTag], len(d.Epochs), d.Archives}.String(),
		history:         fmt.Sprintf("%d %q %q %q %d %t %d %+v", feed.Format, d.ID, d.Title, d.Author, d.Archives, d.Held, d.First, d.Epochs),
		representations: make(map[representationKey]*representation), tags: make(map[representationKey]string),
		room: max(leastKeptForClients, keptForClients*sizeOf(d.Entries)),
	}
}

// tag returns the strong ETag of the whole document in a form and coding. It is made of everything
// on which the bytes depend, so the server can find out that a client has a document without
// rendering it.
func (v *version) tag(key representationKey) string {
	key = representationKey{form: key.form, coding: key.coding, base: key.base}
	v.naming.Lock()
	defer v.naming.Unlock()
	tag := v.tags[key]
	if tag == "" {
		tag = v.makeTag(key)
		if len(v.tags) < maxTags {
			v.tags[key] = tag
		}
	}
	return tag
}

func (v *version) makeTag(key representationKey) string {
	made := v.history + "\n" + key.form.name + "\n" + key.base
	if !key.form.fixed {
		made += "\n" + program
	}
	if key.form == htmlForm && v.document.Entities { // its links depend on it
		made += "\nentities"
	}
	return strongTag(v.place+"-"+hashOf([]byte(made)), key.coding)
}

// representation returns the document in one form and coding. It is made once for all clients.
func (v *version) representation(key representationKey) (*representation, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.representations[key]; e != nil {
		return e, nil
	}
	leave, err := v.making.enter(context.Background(), copies*sizeOf(v.document.Entries))
	if err != nil {
		return nil, err
	}
	defer leave()
	return v.make(key)
}

func (v *version) make(key representationKey) (*representation, error) {
	if e := v.representations[key]; e != nil {
		return e, nil
	}
	e := &representation{mediaType: key.form.mediaType, coding: key.coding, tag: v.tag(key), modified: v.feed.Modified}
	var err error
	if key.coding == identityCoding {
		e.content, err = v.write(key)
		e.content = fit(e.content)
	} else {
		plain := key
		plain.coding = identityCoding
		var text *representation
		if text, err = v.make(plain); err == nil {
			e.content = encode(text.content, key.coding)
		}
	}
	if err == nil {
		v.keep(key, e)
	}
	return e, err
}

// keep caches a representation. If clients decide the number of its kind, it does so only while
// there is room.
func (v *version) keep(key representationKey, e *representation) {
	if key.isDelta || key.base != "" {
		const overhead = 1000
		size := int64(len(e.content)) + overhead
		if size > v.room {
			return
		}
		v.room -= size
	}
	v.representations[key] = e
}

func (v *version) write(key representationKey) ([]byte, error) {
	if !key.isDelta {
		return key.form.document(v.document, key.base)
	}
	d, err := v.since(key.since)
	if err != nil {
		return nil, err
	}
	return key.form.document(d, key.base)
}

// place is the part of an ETag that says where the history of its version ended. A delta starts
// there. It also shows that a client has events that this server does not know yet.
type place struct {
	last     int64
	digest   string // the first digits of the digest at last
	epochs   int
	archives int64
}

func (p place) String() string {
	return fmt.Sprintf("%d-%s-%d-%d", p.last, p.digest, p.epochs, p.archives)
}

// placeOf parses the place in an ETag. It returns false for an ETag of another server software.
func placeOf(tag string) (p place, ours bool) {
	parts := strings.SplitN(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), "-", 5)
	if len(parts) < 5 {
		return p, false
	}
	var errs [3]error
	p.last, errs[0] = strconv.ParseInt(parts[0], 10, 64)
	p.epochs, errs[1] = strconv.Atoi(parts[2])
	p.archives, errs[2] = strconv.ParseInt(parts[3], 10, 64)
	p.digest = parts[1]
	return p, errors.Join(errs[:]...) == nil && p.last >= 0
}

// knows reports whether the version continues from a place. certain is false if it cannot tell,
// because the place is before its first entry.
func (v *version) knows(p place) (known, certain bool) {
	if p.last < v.document.First-1 {
		return false, false
	}
	if p.last > v.document.Last {
		return false, true
	}
	digest, err := v.document.DigestAt(p.last)
	return err == nil && digest.String()[:digestInTag] == p.digest, true
}

// isUnknown reports whether one of a client's tags belongs to a newer version, or to another history.
func (v *version) isUnknown(tags []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool {
		p, ours := placeOf(tag)
		if !ours {
			return false
		}
		known, certain := v.knows(p)
		return certain && !known || p.epochs > len(v.document.Epochs) || p.archives > v.document.Archives
	})
}

// isOtherHistory reports whether a client's tags are of other histories only, as far as the version
// can tell.
func (v *version) isOtherHistory(tags []string) (other bool) {
	for _, tag := range tags {
		p, ours := placeOf(tag)
		if !ours {
			continue
		}
		if known, certain := v.knows(p); known || !certain {
			return false
		}
		other = true
	}
	return other
}

// base returns the first of a client's tags from which the document continues, and its position.
func (v *version) base(tags []string) (tag string, position int64, found bool) {
	for _, tag := range tags {
		if p, ours := placeOf(tag); ours {
			if known, _ := v.knows(p); known {
				return tag, p.last, true
			}
		}
	}
	return "", 0, false
}

// earlier returns the position of a client's tag that is older than the document, so that nobody can tell
// here whether it is of the same history; 0 if there is none.
func (v *version) earlier(tags []string) int64 {
	for _, tag := range tags {
		if p, ours := placeOf(tag); ours {
			if _, certain := v.knows(p); !certain {
				return p.last
			}
		}
	}
	return 0
}

// since returns the entries after a position as a complete document, which readers verify like any
// other.
func (v *version) since(position int64) (*feed.Document, error) {
	before, err := v.document.DigestAt(position)
	if err != nil {
		return nil, err
	}
	d := *v.document
	d.Entries = d.Entries[position+1-d.First:]
	if d.Digests != nil {
		d.Digests = d.Digests[position+1-d.First:]
	}
	d.First, d.DigestBefore = position+1, before
	return &d, nil
}
