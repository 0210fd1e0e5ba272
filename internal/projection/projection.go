// Package projection applies events to a user's own tables, by a file of SQL with statements
// for each type of event. docs/projections.md describes the file for users.
//
// # The file
//
// Everything before the first line that begins with "-- on" is the setup. It runs once for a
// consumer, in the transaction that writes its first checkpoint. Blocks follow:
//
//	-- on OrderShipped, returns/OrderShipped live
//
// After this line come the statements, none or more, that run for each event of one of these
// types, in the order of the file. If several blocks match an event, all of them run.
//
// Such a line begins in the first column, and ends the statement before it. A name is a type of
// any feed, or FEED/TYPE, where FEED is a feed's name, or its id if two feeds have the same
// name. FEED ends at the first slash. A name that contains spaces, commas, quotes, slashes or
// the like is in double quotes, and double quotes inside are doubled:
// "https://shop.example/Created", shop/"it is so". The word live at the end of the line makes
// the block run for live events only.
//
// A line "-- dataschema URI" after it names the dataschemas that the block is written for.
//
// # Statements
//
// A statement names the event's attributes as parameters; [Parse] lists them. Text in strings,
// quoted names and comments is never a parameter. SQLite's brackets, [a name], do not quote,
// because in PostgreSQL they are arrays: in brackets, a colon right after a value marks a
// slice, a[1:n].
//
// Statements that would end the transaction, last longer than it, or communicate with the
// client are refused.
package projection

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Projection is a parsed file. Only a database can check its statements further.
type Projection struct {
	// Name is the file's name, with its path as given, for messages.
	Name string

	hash   string
	zone   string // empty for UTC
	setup  []Statement
	blocks []block
}

// block holds the statements for events of some types.
type block struct {
	line       int
	names      []typeName
	live       bool     // for live events only
	schemas    []string // the dataschemas that it is written for; empty if the file does not say
	schemaLine int      // of the line that names them
	statements []Statement
}

// typeName is a type of events, of one feed or of all.
type typeName struct {
	feed  string // the feed's name or id; empty for all
	event string
}

// Hash returns the SHA-256 of the file's text, in hexadecimal.
func (p *Projection) Hash() string { return p.hash }

// Zone returns the time zone that the file names; empty if it names none.
func (p *Projection) Zone() string { return p.zone }

// TimeZone returns the time zone of the statements: that of a line such as
//
//	-- timezone Europe/Berlin
//
// before the first statement, or UTC.
func (p *Projection) TimeZone() string { return cmp.Or(p.zone, checkpoint.UTC) }

// Types returns the types that have a block, in the order of the file, without quotes: TYPE or
// FEED/TYPE.
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

// Setup returns the statements of the setup, in order.
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

// matching returns the blocks that match a key, in the order of the file.
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

// SetupHash returns the SHA-256 of the setup's statements. Two files with the same setup create
// the same tables.
func (p *Projection) SetupHash() []byte {
	hash := sha256.New()
	for i := range p.setup {
		_, _ = hash.Write([]byte(p.setup[i].Render("$") + ";")) // never fails
	}
	return hash.Sum(nil)
}

// Describe returns the description of a target with this projection as its sink. schema is the
// schema of its tables; empty if none was given.
func (p *Projection) Describe(schema string) checkpoint.Description {
	hash, _ := hex.DecodeString(p.hash) // valid: hashOf wrote it
	return checkpoint.Description{
		Sink: checkpoint.Consumer{
			Sink: checkpoint.SinkProjection, Projection: filepath.Base(p.Name), ProjectionHash: hash, SetupHash: p.SetupHash(),
			Schema: schema, TimeZone: p.TimeZone(),
		},
		Heads: p.Heads(),
	}
}
