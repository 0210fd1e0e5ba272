package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
)

// archiveKey is the key of an archive in the cache.
type archiveKey struct {
	feed    string // the feed's id
	history int64  // that of the state, see feedstate.State
	page    feed.Page
	final   bool // the state in memory shows that the archive is final
	form    *form
	base    string // absolute URL of the server, for forms that need it
	coding  string
	part    archivePart // only for HTML
}

// archivePart is what an HTML page of an archive contains besides the archive.
type archivePart struct {
	before   int64 // it lists the events before this position
	archives int64 // number of the feed's archives
}

// archived is a sealed page in one form and one coding.
type archived struct {
	representation
	hash  string
	stage store.Stage // the stage of the page, which decides the lifetime of the answer
	links []feed.Link // the document's links; only for forms other than Atom
	last  int64       // position of its last event
}

func (s *server) archive(w http.ResponseWriter, r *http.Request) error {
	state, page, err := s.page(r)
	if err != nil {
		return err
	}
	chosen, explicit, err := chooseForm(r, archiveForms)
	if err == nil {
		err = checkParameters(r, chosen, archiveParameters)
	}
	if err != nil {
		return err
	}
	coding, err := s.coding(r)
	if err != nil {
		return err
	}
	base := ""
	if chosen.absolute {
		base = s.Origin.Of(r).Base
	}
	before := int64(math.MaxInt64)
	if chosen == htmlForm {
		if asked, err := numberParameter(r, "before"); err != nil {
			return err
		} else if asked > 0 {
			before = asked
		}
	}
	a, err := s.cachedArchive(r.Context(), state, archiveKeyOf(state, page, chosen, base, coding, before))
	if err == nil && (a.stage == store.Newest || chosen == htmlForm) && namesAnother(r.Header, a.tag) {
		// The client may have the final archive, or a page that shows more archives, from a
		// server whose state is newer.
		if state, err = s.look(r.Context(), state.Name); err == nil {
			a, err = s.cachedArchive(r.Context(), state, archiveKeyOf(state, page, chosen, base, coding, before))
		}
	}
	if err != nil {
		return err
	}
	if chosen != htmlForm {
		s.visit(r, state.Name).Page(state.Epoch(), page.Number, a.last)
	}
	header := w.Header()
	header.Set("Vary", s.vary(explicit))
	if chosen.absolute {
		addVary(header, s.Origin.Fields())
	}
	header.Set("Cache-Control", archiveLifetime(a.stage, chosen).cacheControl(s.scope()))
	linkAlternates(header, r, archiveForms, chosen)
	linkArchives(header, a.links, chosen)
	return s.serve(w, r, &a.representation)
}

// archiveLifetime returns the lifetime of an archive in a form. A final archive never changes, nor do
// its forms for programs. The HTML page tells how many archives there are.
func archiveLifetime(stage store.Stage, form *form) lifetime {
	switch {
	case form == htmlForm:
		return subscriptionLifetime
	case stage != store.Final:
		return newestLifetime
	case form.fixed:
		return finalLifetime
	default:
		return pageLifetime
	}
}

func archiveKeyOf(state *feedstate.State, page feed.Page, form *form, base, coding string, before int64) archiveKey {
	key := archiveKey{feed: state.ID, history: state.History, page: page, final: page.Number < state.Archives, form: form, base: base, coding: coding}
	if form == htmlForm {
		key.part = archivePart{before, state.Archives}
	}
	return key
}

// page returns the archive that a request names.
func (s *server) page(r *http.Request) (*feedstate.State, feed.Page, error) {
	state, err := s.feed(r)
	if err != nil {
		return nil, feed.Page{}, err
	}
	text := segment(r, "page")
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != text {
		return nil, feed.Page{}, refuse(http.StatusNotFound, "no such page: "+quote(text)+" is not the number of a page, which are 1, 2, 3 …")
	}
	page := feed.Page{Epoch: segment(r, "epoch"), Number: number}
	if state.HasPage(page) != nil {
		// Another server may just have sealed the page, or begun an epoch.
		if state, err = s.look(r.Context(), state.Name); err != nil {
			return nil, feed.Page{}, err
		}
	}
	return state, page, whereItGoesOn(&state.Feed, page, state.HasPage(page))
}

// cachedArchive returns a sealed page from the cache, or makes it when there is room.
func (s *server) cachedArchive(ctx context.Context, state *feedstate.State, key archiveKey) (*archived, error) {
	if !s.archives.Has(key) {
		leave, err := s.reading.enter(ctx, archiveRoom)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return s.archived(ctx, state, key)
}

// archived returns a sealed page from the cache, or makes it.
func (s *server) archived(ctx context.Context, state *feedstate.State, key archiveKey) (*archived, error) {
	return s.archives.Get(ctx, key, func(ctx context.Context) (*archived, error) {
		plain := key
		plain.coding = identityCoding
		if key.form == atomForm {
			plain.coding = zstdCoding
		}
		switch {
		case plain != key:
			from, err := s.archived(ctx, state, plain)
			if err != nil {
				return nil, err
			}
			leave, err := s.making.enter(ctx, 2*max(int64(len(from.content)), unpacked(from.content)))
			if err != nil {
				return nil, err
			}
			defer leave()
			return from.in(key.coding)
		case key.form == atomForm:
			return s.stored(ctx, state, key)
		default:
			return s.rewritten(ctx, state, key)
		}
	})
}

// stored reads a page as the sealer wrote it. All other forms are made of these bytes, so the ETag is
// made of them too.
func (s *server) stored(ctx context.Context, state *feedstate.State, key archiveKey) (*archived, error) {
	if err := reachable(s.Feeds); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	f, d, err := s.Log.Archive(ctx, state.Name, key.page)
	if err != nil {
		return nil, whereItGoesOn(f, key.page, err)
	}
	if f.ID != key.feed || key.final && d.Stage != store.Final {
		return nil, fmt.Errorf("archive %d of feed %s: the database has another or an older history than this server has served; it has failed over", key.page.Number, state.Name)
	}
	leave, err := s.making.enter(ctx, unpacked(d.Body))
	if err != nil {
		return nil, err
	}
	defer leave()
	text, err := compress.Unzstd(d.Body)
	if err != nil {
		return nil, err
	}
	a := &archived{hash: hashOf(d.Body), stage: d.Stage, last: lastOf(text)}
	a.representation = representation{mediaType: atomForm.mediaType, coding: zstdCoding, content: d.Body, tag: strongTag(a.hash, zstdCoding)}
	// Before a page is final it changes when the next one is sealed, at an unknown time.
	if d.Stage == store.Final {
		a.modified, err = updatedOf(text)
	}
	return a, err
}

// updatedOf returns the time of the newest event of a document in canonical form.
func updatedOf(text []byte) (time.Time, error) {
	_, rest, found := bytes.Cut(text, []byte("<updated>"))
	value, _, closed := bytes.Cut(rest, []byte("<"))
	if !found || !closed {
		return time.Time{}, errors.New("a stored page has no time")
	}
	return time.Parse(time.RFC3339Nano, string(value))
}

// lastOf returns the position of the last event of an archive in canonical form; 0 if it has none.
func lastOf(text []byte) int64 {
	_, rest, _ := bytes.Cut(text, []byte("\n<ef:page "))
	_, rest, _ = bytes.Cut(rest, []byte(` last="`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	last, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0
	}
	return last
}

// rewritten makes a page in a form other than Atom.
func (s *server) rewritten(ctx context.Context, state *feedstate.State, key archiveKey) (*archived, error) {
	atom := key
	atom.form, atom.base, atom.coding, atom.part = atomForm, "", zstdCoding, archivePart{}
	from, err := s.archived(ctx, state, atom)
	if err != nil {
		return nil, err
	}
	leave, err := s.making.enter(ctx, copies*unpacked(from.content))
	if err != nil {
		return nil, err
	}
	defer leave()
	text, err := compress.Unzstd(from.content)
	if err != nil {
		return nil, err
	}
	d, err := feed.Decode(text)
	if err != nil {
		return nil, err
	}
	write := key.form.document
	if key.form == htmlForm {
		write = key.part.write
	}
	content, err := write(d, key.base)
	if err != nil {
		return nil, err
	}
	a := &archived{hash: hashOf(content), stage: from.stage, links: d.Links(), last: from.last}
	a.representation = representation{mediaType: key.form.mediaType, content: fit(content), tag: strongTag(a.hash, identityCoding), modified: from.modified}
	if key.form == htmlForm {
		a.modified = time.Time{} // the page changes with the number of archives, at an unknown time
	}
	return a, nil
}

// write renders the part of an archive. A position up to a list after its end stands for the end, so
// that the page before it can link to its oldest events.
func (p archivePart) write(d *feed.Document, _ string) ([]byte, error) {
	if p.before <= d.First || p.before > d.Last+html.ShownRows && p.before != math.MaxInt64 {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("page %d has no events right before position %d: it has positions %d to %d", d.Page, p.before, d.First, d.Last))
	}
	return html.Archive(d, p.before, p.archives)
}

// in returns the page in another coding.
func (a *archived) in(coding string) (*archived, error) {
	text := a.content
	if a.coding == zstdCoding {
		var err error
		if text, err = compress.Unzstd(a.content); err != nil {
			return nil, err
		}
	}
	other := *a
	other.coding, other.content, other.tag = coding, encode(text, coding), strongTag(a.hash, coding)
	return &other, nil
}

// unpacked returns the decompressed size of a page in zstd; 0 if it is unknown.
func unpacked(body []byte) int64 {
	size, _ := compress.ZstdSize(body)
	return size
}
