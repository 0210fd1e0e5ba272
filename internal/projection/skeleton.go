package projection

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Skeleton writes a projection to start from, which runs unchanged on both databases: a table for
// each feed, with the latest state of each subject, and a block for each type that was sampled or
// counted.
func Skeleton(w io.Writer, samples ...*Sample) error {
	s := &skeleton{samples: samples}
	s.line("-- A projection to start from. It runs as it is, on PostgreSQL and on SQLite.")
	s.line("-- To try it, without leaving any of your tables behind:")
	s.line("--   seeder run --from URL --into URL --projection FILE --dry-run")
	s.line("-- docs/projections.md says how such files are written. Parameters are:")
	s.line("--   %s", KnownParameters())
	taken := make(map[string]bool)
	tables := make([]string, len(samples))
	for i, sample := range samples {
		tables[i] = tableName(sample.Feed, taken)
		s.table(sample, tables[i])
	}
	for i, sample := range samples {
		for _, name := range sample.byCount() {
			s.block(sample, name, tables[i])
		}
	}
	if !s.hasBlock {
		s.line("\n-- No type was found. Put the names of types here, and statements below:")
		s.line("-- on NameOfAType")
	}
	_, err := io.WriteString(w, s.text.String())
	return err
}

type skeleton struct {
	text    strings.Builder
	samples []*Sample

	hasBlock bool // a block was written; a projection needs at least one
}

func (s *skeleton) line(format string, arguments ...any) {
	fmt.Fprintf(&s.text, format+"\n", arguments...)
}

func (s *skeleton) table(sample *Sample, table string) {
	s.line("\n-- The feed %s at %s,", shown(sample.Feed), shown(sample.URL))
	if sample.count == sample.Last {
		s.line("-- all of whose %d events were sampled: the latest state of each subject.", sample.count)
	} else {
		s.line("-- of whose %d events %d were sampled: the latest state of each subject.", sample.Last, sample.count)
	}
	switch {
	case sample.moreTypes:
		s.line("-- The feed has more types than the %d below.", len(sample.types))
	case sample.counted > 0:
		s.line("-- The types of all events up to position %d were counted: all of them are below.", sample.counted)
	}
	s.line("CREATE TABLE %s (", table)
	s.line("  subject  text PRIMARY KEY,")
	s.line("  type     text NOT NULL,         -- of the latest event")
	s.line("  position bigint NOT NULL,")
	s.line("  time     timestamptz NOT NULL,")
	s.line("  events   bigint NOT NULL,       -- how many there were")
	s.line("  data     jsonb                  -- of the latest event that had JSON")
	if hint := sample.hint(); hint != nil {
		s.line("  -- a column of your own, such as one for a field that a block below lists:")
		s.line("  -- , %s %s", columnName(hint), columnType(hint))
	}
	s.line(");")
}

// block writes a type's fields as comments, and its block.
func (s *skeleton) block(sample *Sample, name, table string) {
	t := sample.types[name]
	s.line("\n-- %s of type %s%s:", counted(t.events(), "event"), shown(name), t.where(sample)) // a name in front might look like a head
	for _, f := range slices.SortedFunc(maps.Values(t.fields), byPath) {
		s.field(f, t)
	}
	if t.more {
		s.line("--   … and more fields")
	}
	if t.withOther > 0 {
		s.line("--   not JSON in %s: it comes as :data_bytes", counted(t.withOther, "event"))
	}
	if t.withoutSubject > 0 {
		s.line("--   without a subject: %s", counted(t.withoutSubject, "event"))
	}
	head, ok := s.head(sample, name)
	if !ok {
		s.line("--   has a name that no block can have")
		return
	}
	s.line("-- on %s", head)
	if line := t.schemaLine(); line != "" {
		s.line("%s", line)
	}
	s.hasBlock = true
	column, value, update := "", "", ""
	if t.withJSON > 0 && t.withOther == 0 {
		column, value, update = ", data", ", :data", ", data = excluded.data"
	}
	s.line("INSERT INTO %s (subject, type, position, time, events%s)", table, column)
	s.line("SELECT :subject, :type, :position, :time, 1%s WHERE :subject IS NOT NULL", value)
	s.line("ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,")
	s.line("  time = excluded.time, events = %s.events + 1%s;", table, update)
}

// where returns where the events of a type are, and how many of them were sampled, if not all.
func (t *sampledType) where(sample *Sample) (text string) {
	if first, last := t.between(); first == last && first > 0 {
		text = fmt.Sprintf(", at position %d", first)
	} else if first > 0 {
		text = fmt.Sprintf(", first at position %d, last at %d", first, last)
	}
	switch {
	case t.count == 0:
		text += "; none was sampled"
	case t.count < t.events():
		text += fmt.Sprintf("; %d sampled", t.count)
	case sample.counted > 0 && t.counts == nil:
		text = " among those sampled"
	}
	return text
}

// maxSchemas is the maximum number of dataschemas in a line for --strict.
const maxSchemas = 8

// schemaLine returns the line that names the dataschemas of a type's events, for --strict; empty if
// they are unknown, too many, or all events are without one.
func (t *sampledType) schemaLine() string {
	var words []string
	some := false
	for _, c := range t.counts {
		words = append(words, schemaWord(c.DataSchema))
		some = some || c.DataSchema != ""
	}
	if !some || len(words) > maxSchemas {
		return ""
	}
	line := "-- dataschema " + strings.Join(words, " ")
	if match := schemaLine.FindStringSubmatch(line); match == nil || shown(line) != line {
		return ""
	}
	if parsed, err := parseSchemas(strings.Join(words, " ")); err != nil || len(parsed) != len(words) {
		return ""
	}
	return line
}

// field writes the expression for a field as a comment.
func (s *skeleton) field(f *sampledField, t *sampledType) {
	optional := ""
	if f.count < t.withJSON {
		optional = fmt.Sprintf(", optional: in %d of %d", f.count, t.withJSON)
	}
	s.line("--   %-32s %s%s", f.expression(), f.kindList(), optional)
}

// expression returns the SQL expression for a field; on PostgreSQL its value is text.
func (f *sampledField) expression() string {
	var text strings.Builder
	text.WriteString(":data")
	for i, name := range f.path {
		arrow := "->>"
		if i < len(f.path)-1 || f.kinds["object"] || f.kinds["array"] {
			arrow = "->"
		}
		text.WriteString(arrow + "'" + strings.ReplaceAll(shown(name), "'", "''") + "'")
	}
	return text.String()
}

// head returns a type as a block names it: with the feed if there are several, and with the feed's
// id if another feed has the same name.
func (s *skeleton) head(sample *Sample, name string) (text string, ok bool) {
	text = quoteHead(name)
	switch {
	case len(s.samples) == 1:
	case slices.ContainsFunc(s.samples, func(o *Sample) bool { return o != sample && o.Feed == sample.Feed }):
		text = quoteHead(sample.ID) + "/" + text
	default:
		text = quoteHead(sample.Feed) + "/" + text
	}
	names, _, err := parseHead("-- on " + text)
	return text, err == nil && len(names) == 1 && names[0].event == name && shown(text) == text
}

var plainHead = regexp.MustCompile(`^[\pL\pN._:+-]+$`)

func quoteHead(name string) string {
	if plainHead.MatchString(name) && name != "live" {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// byCount returns the types, the most frequent first.
func (s *Sample) byCount() []string {
	return slices.SortedFunc(maps.Keys(s.types), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.types[b].events(), s.types[a].events()), cmp.Compare(a, b))
	})
}

func byPath(a, b *sampledField) int { return slices.Compare(a.path, b.path) }

// hint returns a field that would make a good column: the first plain field of the most frequent
// type.
func (s *Sample) hint() *sampledField {
	for _, name := range s.byCount() {
		for _, f := range slices.SortedFunc(maps.Values(s.types[name].fields), byPath) {
			if len(f.path) == 1 && !f.kinds["object"] && !f.kinds["array"] && columnName(f) != "" {
				return f
			}
		}
	}
	return nil
}

var plainColumn = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// columnName returns the field's name in lower case; empty if it is not a valid column name.
func columnName(f *sampledField) string {
	name := strings.ToLower(f.path[len(f.path)-1])
	if !plainColumn.MatchString(name) {
		return ""
	}
	return name
}

func columnType(f *sampledField) string {
	switch f.kindList() {
	case "integer", "integer or null", "number", "number or null":
		return "numeric"
	case "boolean", "boolean or null":
		return "boolean"
	}
	return "text"
}

var notInTable = regexp.MustCompile(`[^a-z0-9]+`)

// tableName returns a name for a feed's table that needs no quotes and that no other feed has.
func tableName(feed string, taken map[string]bool) string {
	base := strings.Trim(notInTable.ReplaceAllString(strings.ToLower(feed), "_"), "_")
	if base == "" || base[0] <= '9' {
		base = "feed_" + base
	}
	base = base[:min(len(base), 40)] + "_state"
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	taken[name] = true
	return name
}

// shown returns a producer's text as part of a comment in one line, so that it cannot add
// statements to the file.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if terminal.Visible(r) {
			return r
		}
		return '\ufffd'
	}, text)
}

func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}
