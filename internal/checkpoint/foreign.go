package checkpoint

import "github.com/eventfeed/eventfeed/internal/feed"

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
}

// Known is what a consumer knows of an entry.
type Known struct {
	Latest  int64 // version, microseconds since 1970
	Pending bool  // the latest version has not been applied
}

// Counts tell how much a consumer knows of a feed.
type Counts struct {
	Applied int64 // archives that are applied
	Open    int64 // archives that are not
	Pending int64 // entries whose latest known version is not applied
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

// columns returns the entries' ids and versions as two lists.
func columns(entries []Version) (ids []string, versions []int64) {
	for _, e := range entries {
		ids, versions = append(ids, e.Entry), append(versions, e.Updated)
	}
	return ids, versions
}
