package foreign

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// The number of ids in a warning about entries that share an id, and the number of such entries
// that a follower remembers.
const (
	maxShownIDs = 3
	maxVariants = 100_000
)

// sharing counts the entries that are not applied because another one has the same id. The one with
// the latest time of change is applied; among equal times, the one that is known already or comes
// first. Entries with the same id and the same content, as on two pages, are one entry. With
// Config.KeepSameID there are none to count.
type sharing struct {
	total atomic.Int64 // the number in all looks that have ended; read by other goroutines
	now   map[variant]bool
	found int64
	ids   []string
	seen  map[variant]bool // counted in looks that have ended, or applied from the feed's own document
	seed  maphash.Seed
}

// variant identifies an entry: a hash of its id, and a hash of its content.
type variant struct {
	id      uint64
	content int64
}

// begin begins a look, and discards the counts of an unfinished one.
func (s *sharing) begin() {
	if s.seen == nil {
		s.seed, s.seen = maphash.MakeSeed(), make(map[variant]bool)
	}
	s.now, s.found, s.ids = make(map[variant]bool), 0, nil
}

// add counts the entries of a document that are not applied. known is what is stored about its
// entries, without this document. isHead is true for the feed's own document.
func (s *sharing) add(d *document, known map[string]checkpoint.Known, isHead bool) {
	latest := make(map[string]*version, len(d.entries))
	for i := range d.entries {
		v := &d.entries[i]
		if best := latest[v.key]; best == nil || v.updated > best.updated {
			latest[v.key] = v
		}
	}
	for i := range d.entries {
		v := &d.entries[i]
		best := latest[v.key]
		k, isKnown := known[v.key]
		switch {
		case v.content == best.content && v != best, isKnown && (v.content == k.Content || k.Content == 0):
		case v != best, isKnown && v.updated <= k.Latest:
			s.count(v, v.content)
		case isKnown && k.Pending: // it replaces the known version
			s.count(v, k.Content)
		case isHead && !isKnown, isHead && v.updated > k.Latest:
			s.note(variant{maphash.String(s.seed, v.key), v.content})
		}
	}
}

// count counts an entry that is not applied, once.
func (s *sharing) count(v *version, content int64) {
	one := variant{maphash.String(s.seed, v.key), content}
	if s.now[one] || s.seen[one] {
		return
	}
	s.note(one)
	s.found++
	if id := fmt.Sprintf("%.80s", orElse(v.raw.id, v.key)); len(s.ids) < maxShownIDs && !slices.Contains(s.ids, id) {
		s.ids = append(s.ids, id)
	}
}

func (s *sharing) note(one variant) {
	if len(s.now)+len(s.seen) < maxVariants {
		s.now[one] = true
	}
}

// end ends a look, and returns the number of entries that are not applied, and the ids of some.
func (s *sharing) end() (found int64, ids string) {
	for one := range s.now {
		s.seen[one] = true
	}
	found, ids = s.found, strings.Join(s.ids, ", ")
	s.total.Add(found)
	s.now, s.found, s.ids = nil, 0, nil
	return found, ids
}

// SameID returns the number of entries of the feed that were not applied because another one has
// the same id. Any goroutine may call it.
func (r *Reader) SameID() int64 { return r.sharing.total.Load() }

// endSharing logs a warning about entries that share an id.
func (r *Reader) endSharing() {
	if found, ids := r.sharing.end(); found > 0 {
		r.Logger.Warn("entries are left out because another entry with the same id has the same time or a later one; to apply all of them, start over with --keep-same-id",
			"feed", r.Name, "url", r.URL.Redacted(), "left_out", found, "ids", ids)
	}
}
