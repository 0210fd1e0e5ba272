// Package projection applies events by a file of SQL: the reader's own tables,
// filled by statements that it names for each type of event.
//
// # The file
//
// What stands before the first line that begins with "-- on" is the set-up. It
// runs once for a consumer, in the transaction that writes its checkpoint. Then
// come blocks:
//
//	-- on OrderShipped, returns/OrderShipped live
//
// followed by the statements, none or more, that run for each event of one of
// these types, in the order of the file. Each of an event's blocks runs.
//
// Such a line begins in the first column, and ends the statement before it. Of
// a name with a slash, what stands before the first slash is the name of a feed,
// or its id, which tells feeds of the same name apart, and the rest the type;
// without one it is a type in whatever feed. Names that
// hold spaces, commas, quotes, slashes that are the type's own, or the like stand
// in double quotes, which are doubled within: "https://shop.example/Created",
// shop/"it is so". Behind the list the word live makes a block one for live
// events only.
//
// # Statements
//
// A statement names the event's attributes as parameters, see the list of
// [Parse]. They are known outside of strings, names in quotes and comments. The
// brackets of SQLite, [a name], do not quote: in PostgreSQL they are arrays.
// In them a colon directly behind a value is that of a slice, a[1:n].
//
// What would end the transaction, outlast it, or talk to the client is refused.
package projection

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Projection is a file that was read, and looks right as far as can be said
// without a database.
type Projection struct {
	// Name is the file's, with the path that it was given by, for messages.
	Name string

	hash   string
	zone   string // empty for UTC
	setup  []Statement
	blocks []block
}

// block is statements for events of some types.
type block struct {
	line       int
	names      []typeName
	live       bool // for live events only
	statements []Statement
}

// typeName is a type of events, of one feed's or of all.
type typeName struct {
	feed  string // its name or id; empty for all
	event string
}

// Hash is the SHA-256 of the file's text, in hexadecimal.
func (p *Projection) Hash() string { return p.hash }

// Zone is the time zone that the file names; empty where it names none.
func (p *Projection) Zone() string { return p.zone }

// TimeZone is the one that the statements run in: that of a line such as
//
//	-- timezone Europe/Berlin
//
// before the first statement, or UTC.
func (p *Projection) TimeZone() string { return cmp.Or(p.zone, checkpoint.UTC) }

// Types returns the types that have a block, each as the file names it first,
// without quotes: TYPE or FEED/TYPE.
func (p *Projection) Types() []string {
	var all []string
	for _, b := range p.blocks {
		for _, n := range b.names {
			if !slices.Contains(all, n.String()) {
				all = append(all, n.String())
			}
		}
	}
	return all
}

func (n typeName) String() string {
	if n.feed == "" {
		return n.event
	}
	return n.feed + "/" + n.event
}

// Setup returns the statements of the set-up, in order.
func (p *Projection) Setup() []*Statement {
	all := make([]*Statement, len(p.setup))
	for i := range p.setup {
		all[i] = &p.setup[i]
	}
	return all
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// matching returns the blocks for events of a kind, in the order of the file.
func (p *Projection) matching(k eventKey) []*block {
	var all []*block
	for i := range p.blocks {
		if p.blocks[i].matches(k) {
			all = append(all, &p.blocks[i])
		}
	}
	return all
}

func (b *block) matches(k eventKey) bool {
	return slices.ContainsFunc(b.names, func(n typeName) bool { return n.matches(k) })
}

func (n typeName) matches(k eventKey) bool {
	return n.event == k.event && (n.feed == "" || n.feed == k.feed || n.feed == k.feedID)
}

// SetupHash returns the SHA-256 of the set-up's statements. Another text with the
// same set-up makes the same tables.
func (p *Projection) SetupHash() []byte {
	hash := sha256.New()
	for i := range p.setup {
		_, _ = hash.Write([]byte(p.setup[i].Render("$") + ";")) // which never fails
	}
	return hash.Sum(nil)
}

// Describe returns what a target is whose sink this projection is; schema is where its
// tables are, empty where nothing was said.
func (p *Projection) Describe(schema string) checkpoint.Description {
	hash, _ := hex.DecodeString(p.hash) // which is one of ours
	return checkpoint.Description{
		Sink: checkpoint.Consumer{
			Sink: checkpoint.SinkProjection, Projection: filepath.Base(p.Name), ProjectionHash: hash, SetupHash: p.SetupHash(),
			Schema: schema, TimeZone: p.TimeZone(),
		},
		Heads: p.Heads(),
	}
}
