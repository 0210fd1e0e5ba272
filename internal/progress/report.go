package progress

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/seed"
)

// maxTypes is how many types of events a report names, and maxTypeName how much
// of one's name.
const (
	maxTypes    = 30
	maxTypeName = 60
)

// WriteReport writes what a run that took so long has done: nothing at all if
// there was nothing to do.
func WriteReport(w io.Writer, p seed.Progress, took time.Duration) error {
	read := p.Applied + p.Parked + p.LeftOut
	if read == 0 {
		return nil
	}
	b := &strings.Builder{}
	if len(p.Types) > 0 {
		writeTypes(b, p.Types)
	}
	rows := []row{
		{"read", count(read), ""},
		{"applied", count(p.Applied - p.Skipped), ""},
		{"skipped", count(p.Skipped), "of types that the target has no use for"},
		{"left out", count(p.LeftOut), "later than the time as of which it was built"},
		{"parked", count(p.Parked), "see: seeder parked"},
	}
	writeRows(b, "events", slices.DeleteFunc(rows, func(r row) bool { return r.value == "0" && r.note != "" }))
	if !p.First.IsZero() || !p.Last.IsZero() {
		writeRows(b, "their times", []row{{"first", p.First.UTC().Format(time.RFC3339Nano), ""}, {"last", p.Last.UTC().Format(time.RFC3339Nano), ""}})
	}
	seconds := max(took.Seconds(), 0.001)
	writeRows(b, "took", []row{
		{"all", duration(took), fmt.Sprintf("%s events/s, %.1f MB/s; %s, %s", count(int64(float64(read)/seconds+0.5)),
			float64(p.Bytes)/1e6/seconds, number(p.Pages, "page"), size(p.Bytes))},
		{"fetch", duration(p.Fetch), ""},
		{"decode", duration(p.Decode), ""},
		{"apply", duration(p.Apply), ""},
		{"commit", duration(p.Commit), ""},
	})
	b.WriteString("Pages are fetched and decoded several at once, while others are applied, so\nthese may add up to more than all.\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// row is a line of a table.
type row struct{ name, value, note string }

// writeRows writes a table; values stand under one another with their ends.
func writeRows(b *strings.Builder, title string, rows []row) {
	names, values := 0, 0
	for _, r := range rows {
		names, values = max(names, utf8.RuneCountInString(r.name)), max(values, utf8.RuneCountInString(r.value))
	}
	b.WriteString(title + "\n")
	for _, r := range rows {
		text := fmt.Sprintf("  %-*s  %*s  %s", names, r.name, values, r.value, r.note)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	b.WriteByte('\n')
}

// writeTypes writes how many events there were of each type, the most first.
func writeTypes(b *strings.Builder, types map[string]int64) {
	names := slices.SortedFunc(maps.Keys(types), func(x, y string) int {
		return cmp.Or(cmp.Compare(types[y], types[x]), cmp.Compare(x, y))
	})
	var rows []row
	var rest int64
	for i, name := range names {
		if i >= maxTypes && len(names) > maxTypes+1 {
			rest += types[name]
			continue
		}
		rows = append(rows, row{shortened(name), count(types[name]), ""})
	}
	if more := len(names) - len(rows); more > 0 {
		rows = append(rows, row{fmt.Sprintf("… and %d more types", more), count(rest), ""})
	}
	writeRows(b, "events by type", rows)
}

// shortened keeps both ends of a long name: types often begin alike.
func shortened(name string) string {
	runes := []rune(name)
	if len(runes) <= maxTypeName {
		return name
	}
	return string(runes[:maxTypeName/2-1]) + "…" + string(runes[len(runes)-maxTypeName/2:])
}
