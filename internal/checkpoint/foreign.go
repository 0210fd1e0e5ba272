package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Memory is what a consumer knows of a feed that is not eventfeed's own, in the
// target. An entry must stand once in what is given to a method. It may be used
// while a step is at work, but not inside of its transaction. What writes returns ErrMoved
// or ErrLost, and nothing is written, if the consumer has another holder.
type Memory interface {
	ArchiveMemory
	EntryMemory
	// Counts tells how much there is.
	Counts(ctx context.Context) (Counts, error)
	// Forget forgets all that was recorded and is not applied.
	Forget(ctx context.Context) error
}

// ArchiveMemory is what is known of a feed's archives.
type ArchiveMemory interface {
	// Archive returns the archive at a URL; nil if it is not known.
	Archive(ctx context.Context, url string) (*Archive, error)
	// After returns the archive that names the one at a URL as the one before
	// it; with an empty URL the oldest. It is nil if none is known.
	After(ctx context.Context, url string) (*Archive, error)
	// Record writes down an archive, to which it gives a number, and the
	// versions of its entries. Of two archives that have the same version of an
	// entry the one recorded last has it, which is the older one.
	Record(ctx context.Context, a *Archive, entries []Version) error
}

// EntryMemory is what is known of a feed's entries.
type EntryMemory interface {
	// Pending returns the entries, with their versions, that are to be applied
	// from the archive with a number.
	Pending(ctx context.Context, number int64) (map[string]int64, error)
	// Known returns what is known of entries.
	Known(ctx context.Context, entries []string) (map[string]Known, error)
	// Mark writes down what was applied without a move of the checkpoint:
	// nothing, that is, but archives all of whose entries had been.
	Mark(ctx context.Context, marks Marks) error
}

// Archive is an archive of a feed that is not eventfeed's own (RFC 5005
// section 4), as a consumer has come across it.
type Archive struct {
	Number int64 // given in the order in which archives are recorded
	URL    string
	Prev   string      // URL of the archive before it; empty for the oldest
	Hash   feed.Digest // of its entries
	// Applied says that all of its entries are applied, and those of every
	// archive before it.
	Applied bool
	// Followed says that an archive that names this one as the one before it is
	// applied.
	Followed bool
}

// Version is a version of an entry.
type Version struct {
	Entry   string // the id that its versions have in common
	Updated int64  // microseconds since 1970
	Content int64  // a hash of what it says, more than 0
}

// Known is what a consumer knows of an entry.
type Known struct {
	Latest  int64 // version, microseconds since 1970
	Content int64 // of that version; 0 if it is not known
	Pending bool  // the latest version has not been applied
}

// Counts tell how much a consumer knows of a feed.
type Counts struct {
	Applied int64 // archives that are applied
	Open    int64 // archives that are not
	Pending int64 // entries whose latest known version is not applied
	// Earliest is the earliest of those versions, microseconds since 1970.
	Earliest int64
}

// Marks is what of a feed has been applied. They are written in the
// transaction that applies it.
type Marks struct {
	Entries  []Version
	Archives []string // URLs
}

// Add takes over what follows.
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
