package progress

import (
	"cmp"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// The maximum numbers of types and of parked events in a state's text, which is to fit on a
// screen.
const (
	textTypes  = 10
	textParked = 5
)

// WriteState writes a state as text for a terminal: the same as its page, with shorter lists.
func WriteState(w io.Writer, s *html.Seeder) error {
	b := &strings.Builder{}
	_, _ = terminal.Fprintf(b, "%s\nconsumer %s, into %s, to %s\nrunning since %s (%s), version %s\n", s.Sentence, s.Consumer, s.Target, s.SinkWords,
		s.Started.Format(time.RFC3339), s.Running, s.Version)
	for i := range s.Troubles {
		t := &s.Troubles[i]
		_, _ = terminal.Fprintf(b, "\n%s %s: %s\n%s\n  %s\n", t.What, t.Lasts, t.Error, t.Advice, t.Command)
	}
	writeFeeds(b, s.Feeds)
	writeParked(b, s)
	writeTypeStates(b, s)
	b.WriteString("\n")
	table(b, func(row func(format string, arguments ...any)) {
		row("ON\tTIME\tSHARE\n")
		for i := range s.Took {
			row("%s\t%s\t%s\n", s.Took[i].On, s.Took[i].Time, s.Took[i].Share)
		}
	})
	_, _ = terminal.Fprintf(b, "\nalso here: %s\n", strings.Join(s.Paths, " "))
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFeeds(b *strings.Builder, feeds []html.SeederFeed) {
	b.WriteString("\n")
	table(b, func(row func(format string, arguments ...any)) {
		row("FEED\tPOSITION\tOF\tDONE\tNOW\tAVERAGE\tLEFT\tLAG\n")
		for i := range feeds {
			f := &feeds[i]
			row("%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(f.Name, f.URL), f.Position, f.Head, f.Done, f.Rate, f.AverageRate, f.LeftTime, f.LagWords)
		}
	})
	for i := range feeds {
		if f := &feeds[i]; f.Empty != "" {
			_, _ = terminal.Fprintf(b, "%s: %s\n", f.Name, f.Empty)
		}
	}
}

// writeTypeStates writes the blocks that matched nothing, and the most frequent types.
func writeTypeStates(b *strings.Builder, s *html.Seeder) {
	say := func(format string, arguments ...any) { _, _ = terminal.Fprintf(b, format, arguments...) }
	for i := range s.Unmatched {
		u := &s.Unmatched[i]
		say("\n%s: -- on %s: %s", u.Place, u.Name, u.Reason)
		if u.Meant != "" {
			say("; did you mean %s?", u.Meant)
		}
	}
	if len(s.Unmatched) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("\n")
	table(b, func(row func(format string, arguments ...any)) {
		row("TYPE\tAPPLIED\tSKIPPED\tPARKED\n")
		for i := range s.Types[:min(len(s.Types), textTypes)] {
			t := &s.Types[i]
			row("%s\t%d\t%d\t%d\n", shortened(terminal.Line(t.Type), maxTypeName), t.Applied, t.Skipped, t.Parked)
		}
	})
	if more := len(s.Types) + s.MoreTypes - textTypes; more > 0 {
		say("… and %d more types: ?format=json\n", more)
	}
	if words := s.SkippedWords(); words != "" {
		say("%s\n", words)
	}
	if s.Rebuild != "" {
		say("only to fill a new copy beside this one, after correcting the projection:\n  %s\n", s.Rebuild)
	}
	if s.RebuildNote != "" {
		say("%s\n", s.RebuildNote)
	}
}

func writeParked(b *strings.Builder, s *html.Seeder) {
	p := &s.Parked
	if p.Events == 0 {
		return
	}
	say := func(format string, arguments ...any) { _, _ = terminal.Fprintf(b, format, arguments...) }
	say("\n%s\n", p.Words())
	if p.Error != "" {
		say("the list could not be read: %s\n", p.Error)
	}
	writeSteps(b, s)
	shown := p.Failed[:min(len(p.Failed), textParked)]
	if len(shown) > 0 {
		say("\nevents that failed (%s), each with the command for its entity alone:\n", lowered(p.Listed(len(shown))))
	}
	for i := range shown {
		e := &shown[i]
		say("  feed %s, position %d (%s, subject %s): %s\n    %s\n", e.Feed, e.Position, shortened(terminal.Line(e.Type), maxTypeName), cmp.Or(e.Subject, "-"), clipped(e.Error), e.Retry)
	}
	if !s.DryRun {
		say("%s:\n  %s\n", lowered(p.All()), p.Inspect)
	}
}

// writeSteps writes how to apply what is parked.
func writeSteps(b *strings.Builder, s *html.Seeder) {
	if len(s.Parked.Steps) == 0 {
		return
	}
	say := func(format string, arguments ...any) { _, _ = terminal.Fprintf(b, format, arguments...) }
	say("\nto apply them%s:\n", wherever(s.Process))
	for i, step := range s.Parked.Steps {
		say("%d. %s\n", i+1, step.Do)
		if i == 0 {
			writeErrors(b, &s.Parked)
		}
		if step.Command != "" {
			say("     %s\n", step.Command)
		}
		if step.OrCommand != "" {
			say("   %s\n     %s\n", step.Or, step.OrCommand)
		}
		if step.Note != "" {
			say("   %s\n", step.Note)
		}
	}
}

func writeErrors(b *strings.Builder, p *html.SeederParked) {
	say := func(format string, arguments ...any) { _, _ = terminal.Fprintf(b, format, arguments...) }
	first := ""
	if p.MoreFailed {
		first = " of the first " + count(p.FailedEvents)
	}
	for i := range p.Errors {
		say("   %s%s failed: %s\n", number(p.Errors[i].Events, "event"), first, clipped(p.Errors[i].Error))
		writeExample(b, &p.Errors[i].Example)
	}
	if p.MoreErrors > 0 {
		say("   the others failed with %s\n", number(p.MoreErrors, "other error"))
	}
}

// writeExample writes an event that failed.
func writeExample(b *strings.Builder, e *html.SeederExample) {
	data := e.Data
	if e.IsLong {
		data = "data is too long to show here"
	}
	_, _ = terminal.Fprintf(b, "     for example feed %s, position %d (%s, subject %s): %s\n", e.Feed, e.Position, shortened(terminal.Line(e.Type), maxTypeName),
		cmp.Or(shortened(terminal.Line(e.Subject), maxTypeName), "-"), cmp.Or(data, "no data"))
	if e.Detail != "" {
		_, _ = terminal.Fprintf(b, "     the database says: %s\n", clipped(e.Detail))
	}
}

// wherever returns where commands are to be run.
func wherever(p html.SeederProcess) (where string) {
	if p.Host != "" {
		where += " on host " + p.Host
	}
	if p.Directory != "" {
		where += ", in the directory " + p.Directory
	}
	return where
}

// lowered returns a sentence as it stands in the middle of a line.
func lowered(text string) string { return strings.ToLower(text[:1]) + text[1:] }

// clipped shortens an error to a few lines.
func clipped(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return text
}

// table aligns the columns of rows, which are separated by tabs.
func table(b *strings.Builder, rows func(row func(format string, arguments ...any))) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	rows(func(format string, arguments ...any) { _, _ = terminal.Fprintf(w, format, arguments...) })
	_ = w.Flush() // into memory
}
