package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// WriteReport writes the report of a run and its duration; nothing if the run had nothing to do.
func WriteReport(w io.Writer, p seed.Progress, took time.Duration) error {
	read := p.Applied + p.Parked + p.LeftOut
	if read+p.SameID == 0 {
		return nil
	}
	b := &strings.Builder{}
	if len(p.Types) > 0 {
		writeTypes(b, p.Types, p.SkippedTypes)
	}
	rows := []row{
		{"read", count(read), ""},
		{"applied", count(p.Applied - p.Skipped), ""},
		{"skipped", count(p.Skipped), "of types without a block, which --strict refuses"},
		{"left out", count(p.LeftOut), "later than the time as of which it was built"},
		{"same id", count(p.SameID), "left out, another has it: see --keep-same-id"},
		{"parked", count(p.Parked), "see: seeder parked"},
		{"unroutable", count(p.Unroutable), "published, and gone to no queue of the broker"},
	}
	writeRows(b, "events", slices.DeleteFunc(rows, func(r row) bool { return r.value == "0" && r.note != "" }))
	if !p.First.IsZero() || !p.Last.IsZero() {
		writeRows(b, "event times", []row{{"first", p.First.UTC().Format(time.RFC3339Nano), ""}, {"last", p.Last.UTC().Format(time.RFC3339Nano), ""}})
	}
	seconds := max(took.Seconds(), 0.001)
	writeRows(b, "took", []row{
		{"all", duration(took), rates(p, read, seconds)},
		{"fetch", duration(p.Fetch), ""},
		{"decode", duration(p.Decode), ""},
		{"apply", duration(p.Apply), ""},
		{"commit", duration(p.Commit), ""},
	})
	b.WriteString("Pages are fetched and decoded several at once, while others are applied, so\ntheir sum may exceed the total.\n\n")
	writeUnmatched(b, p)
	_, err := io.WriteString(w, b.String())
	return err
}

// rates formats the speed of a run. Events that are not in an archive yet come without a page.
func rates(p seed.Progress, read int64, seconds float64) string {
	text := count(int64(float64(read)/seconds+0.5)) + " events/s"
	if p.Pages > 0 {
		text += fmt.Sprintf(", %.1f MB/s; %s, %s", float64(p.Bytes)/1e6/seconds, number(p.Pages, "page"), size(p.Bytes))
	}
	return text
}

// row is a line of a table.
type row struct{ name, value, note string }

// writeRows writes a table with right-aligned values. Names must be results of terminal.Line.
func writeRows(b *strings.Builder, title string, rows []row) {
	names, values := 0, 0
	for _, r := range rows {
		names, values = max(names, utf8.RuneCountInString(r.name)), max(values, utf8.RuneCountInString(r.value))
	}
	b.WriteString(title + "\n")
	for _, r := range rows {
		text := terminal.Sprintf("  %-*s  %*s  %s", names, r.name, values, r.value, r.note)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	b.WriteByte('\n')
}
