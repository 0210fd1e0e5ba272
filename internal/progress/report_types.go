package progress

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// The maximum number of types in a report, and the maximum length of their names; the latter is
// shorter if notes follow.
const (
	maxTypes         = 30
	maxTypeName      = 60
	maxTypeNameNoted = 38
)

// writeTypes writes the number of events of each type, the most frequent first, and which were skipped.
func writeTypes(b *strings.Builder, types, skipped map[string]int64) {
	names := slices.SortedFunc(maps.Keys(types), func(x, y string) int {
		return cmp.Or(cmp.Compare(types[y], types[x]), cmp.Compare(x, y))
	})
	width := maxTypeName
	if len(skipped) > 0 {
		width = maxTypeNameNoted
	}
	var rows []row
	var rest, restSkipped int64
	for i, name := range names {
		if i >= maxTypes && len(names) > maxTypes+1 {
			rest += types[name]
			restSkipped += skipped[name]
			continue
		}
		rows = append(rows, row{shortened(terminal.Line(name), width), count(types[name]), skippedOf(skipped[name], types[name])})
	}
	if more := len(names) - len(rows); more > 0 {
		rows = append(rows, row{fmt.Sprintf("… and %d more types", more), count(rest), skippedOf(restSkipped, rest)})
	}
	writeRows(b, "events by type", rows)
}

// skippedOf returns the note about skipped events of a type: all, or only those of one feed.
func skippedOf(n, all int64) string {
	switch n {
	case 0:
		return ""
	case all:
		return "skipped: no block for it"
	default:
		return count(n) + " skipped"
	}
}

// shortened shortens a long name in the middle, because types often begin alike.
func shortened(name string, width int) string {
	runes := []rune(name)
	if len(runes) <= width {
		return name
	}
	return string(runes[:width/2-1]) + "…" + string(runes[len(runes)-width/2:])
}

// writeUnmatched writes the blocks that may be misspelt. If the feeds were not read to their ends,
// matching events may still come.
func writeUnmatched(b *strings.Builder, p seed.Progress) {
	if len(p.Unmatched) == 0 {
		return
	}
	for i, u := range p.Unmatched {
		if i == maxTypes && len(p.Unmatched) > maxTypes+1 {
			_, _ = terminal.Fprintf(b, "… and %d more\n", len(p.Unmatched)-maxTypes)
			break
		}
		_, _ = terminal.Fprintf(b, "%s: -- on %s: %s", u.Place, u.Name, unmatchedReason(&p, &u))
		if meant := u.Meant(p.SkippedTypes); meant != "" {
			_, _ = terminal.Fprintf(b, "; did you mean %s?", meant)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// unmatchedReason returns why a block may have matched no event.
func unmatchedReason(p *seed.Progress, u *seed.Unmatched) string {
	switch {
	case u.Feed != "" && !slices.ContainsFunc(p.Feeds, func(f seed.FeedProgress) bool { return u.Feed == f.Feed || u.Feed == f.FeedID }):
		return "no feed of this name was read"
	case p.LeftOut > 0 || slices.ContainsFunc(p.Feeds, func(f seed.FeedProgress) bool { return f.Position < f.Head }):
		return "no event up to here had this type"
	default:
		return "no event had this type"
	}
}
