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

// version is one version of a subscription document with what was made of it.
type version struct {
	feed     *store.Feed // of the same moment as the document
	document *feed.Document
	making   *room  // for those who make representations
	place    string // with which each ETag begins, see place
	history  string // of all else that the document says

	mu              sync.Mutex
	representations map[representationKey]*representation
	room            int64 // bytes that representations may still take of which clients make as many as they like

	naming sync.Mutex // so that nobody waits for a representation who wants but a tag
	tags   map[representationKey]string
}

// representationKey names a representation of a version: the whole document, or a delta of
// what is behind a position.
type representationKey struct {
	form    *form
	coding  string
	base    string // absolute URL of the server, for forms that need it
	isDelta bool
	since   int64
}

// program is the release that writes what is not fixed.
var program = build.Read().String()

// keptForClients is how many times the size of a document, and how much at
// least, the representations of a version may take of which there are as many as
// clients make: deltas, and those that hold the URL by which a client has come.
const (
	keptForClients      = 2
	leastKeptForClients = 32 << 10
)

// maxTags bounds how many tags are kept.
const maxTags = 64

// digestInTag is how many digits of a digest tell two histories apart in an
// ETag.
const digestInTag = 16

func newVersion(f *store.Feed, d *feed.Document, making *room) *version {
	return &version{
		feed: f, document: d, making: making,
		place:           place{d.Last, d.DigestAfter.String()[:digestInTag], len(d.Epochs), d.Archives}.String(),
		history:         fmt.Sprintf("%d %q %q %q %d %t %d %+v", feed.Format, d.ID, d.Title, d.Author, d.Archives, d.Held, d.First, d.Epochs),
		representations: make(map[representationKey]*representation), tags: make(map[representationKey]string),
		room: max(leastKeptForClients, keptForClients*sizeOf(d)),
	}
}

// tag is the strong ETag of the whole document in a form and coding. It is
// made of all that the bytes hang on, so that a document need not be written
// to learn that a client has it.
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
	return strongTag(v.place+"-"+hashOf([]byte(made)), key.coding)
}

// representation returns the document in one form and coding, made once for all.
func (v *version) representation(key representationKey) (*representation, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.representations[key]; e != nil {
		return e, nil
	}
	leave, err := v.making.enter(context.Background(), copies*sizeOf(v.document))
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

// keep keeps what there are few of, and of the rest what there is room for.
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

// place is what an ETag tells of the version that it was given to: how far its
// history went. A delta begins there, and who has come further than this server
// knows shows by it.
type place struct {
	last     int64
	digest   string // at last, the first digits
	epochs   int
	archives int64
}

func (p place) String() string {
	return fmt.Sprintf("%d-%s-%d-%d", p.last, p.digest, p.epochs, p.archives)
}

// placeOf reads the place from an ETag, and returns false for what is none of
// ours.
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

// knows reports whether the version goes on from a place, and whether it can
// tell: not of a place before its first entry.
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

// isUnknown reports whether one of a client's tags is of a version that is newer
// than this one, or of another history.
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

// base returns the first of a client's tags that the document goes on from,
// and the position that it stands for.
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

// since returns what is new behind a position, as a document of its own that a
// reader checks like any other.
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
