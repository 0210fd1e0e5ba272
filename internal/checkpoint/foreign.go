package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Memory keeps in the target what a consumer knows about a foreign feed. The arguments of a
// method must not contain an entry twice. A Memory may be used while a step runs, but not
// inside of its transaction. Writes return ErrMoved or ErrLost, and change nothing, if the
// consumer has another holder.
type Memory interface {
	ArchiveMemory
	EntryMemory
	// Counts returns the numbers of archives and entries.
	Counts(ctx context.Context) (Counts, error)
	// Forget deletes what was recorded and is not applied.
	Forget(ctx context.Context) error
}

// ArchiveMemory keeps what is known about a feed's archives.
type ArchiveMemory interface {
	// Archive returns the archive at a URL; nil if it is unknown.
	Archive(ctx context.Context, url string) (*Archive, error)
	// After returns the archive whose predecessor is the one at a URL; for an empty URL the
	// oldest archive. It returns nil if none is known.
	After(ctx context.Context, url string) (*Archive, error)
	// Record stores an archive, to which it assigns a number, and the versions of its
	// entries. If two archives have the same version of an entry, the entry belongs to the
	// archive that is recorded last, which is the older one.
	Record(ctx context.Context, a *Archive, entries []Version) error
}

// EntryMemory keeps what is known about a feed's entries.
type EntryMemory interface {
	// Pending returns the entries, with their versions, that are to be applied from the
	// archive with this number.
	Pending(ctx context.Context, number int64) (map[string]int64, error)
	// Known returns what is known about entries, by id.
	Known(ctx context.Context, entries []string) (map[string]Known, error)
	// Mark stores what was applied without a move of the checkpoint. This happens only for
	// archives all of whose entries were applied before.
	Mark(ctx context.Context, marks Marks) error
}

// Archive is an archive of a foreign feed (RFC 5005 section 4) that a consumer has found.
type Archive struct {
	Number int64 // assigned in the order in which archives are recorded
	URL    string
	Prev   string      // URL of the archive before it; empty for the oldest
	Hash   feed.Digest // of its entries
	// Applied reports that all of its entries are applied, and those of every archive
	// before it.
	Applied bool
	// Followed reports that an archive whose predecessor is this one is applied.
	Followed bool
}

// Version is a version of an entry.
type Version struct {
	Entry   string // the id that its versions have in common
	Updated int64  // microseconds since 1970
	Content int64  // a hash of its content, more than 0
}

// Known is what a consumer knows about an entry.
type Known struct {
	Latest  int64 // the latest version, in microseconds since 1970
	Content int64 // the hash of that version's content; 0 if it is not known
	Pending bool  // the latest version has not been applied
}

// Counts are the numbers of archives and entries that a consumer knows of a feed.
type Counts struct {
	Applied int64 // archives that are applied
	Open    int64 // archives that are not applied
	Pending int64 // entries whose latest known version is not applied
	// Earliest is the earliest of those versions, microseconds since 1970.
	Earliest int64
}

// Marks are the entries and archives that were applied. They are written in the transaction
// that applies them.
type Marks struct {
	Entries  []Version
	Archives []string // URLs
}

// Add appends next.
func (m *Marks) Add(next Marks) {
	m.Entries = append(m.Entries, next.Entries...)
	m.Archives = append(m.Archives, next.Archives...)
}

// IsEmpty reports whether there is nothing to write.
func (m *Marks) IsEmpty() bool { return len(m.Entries) == 0 && len(m.Archives) == 0 }

// Columns returns the entries' ids, versions and contents as lists.
func Columns(entries []Version) (ids []string, versions, contents []int64) {
	for _, e := range entries {
		ids, versions, contents = append(ids, e.Entry), append(versions, e.Updated), append(contents, e.Content)
	}
	return ids, versions, contents
}
