package overview

import (
	"bytes"
	"text/tabwriter"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Text returns a view as plain text, for a terminal.
func Text(v *View) []byte {
	var b bytes.Buffer
	_, _ = terminal.Fprintf(&b, "feedserver %s, up %s, %s; %s\n", v.Server.Version, v.Server.Up(v.Time), v.Server.ReadyText(), v.Server.DatabaseText(v.Time))
	writeProblems(&b, v)
	if v.Query.Search != "" {
		_, _ = terminal.Fprintf(&b, "\n%s\n", v.FilterText())
	}
	if len(v.Feeds) > 0 {
		writeFeeds(&b, v)
	}
	if len(v.Readers) > 0 {
		writeReaders(&b, v)
	}
	paths := "/healthz /readyz /metrics"
	if v.Server.Profiles {
		paths += " /debug/pprof/"
	}
	_, _ = terminal.Fprintf(&b, "\n%s\nalso at /: ?format=json, ?format=html, ?feed=NAME, ?reader=NAME, ?q=TEXT, ?feeds=PAGE, ?readers=PAGE\n", paths)
	return b.Bytes()
}

func writeProblems(b *bytes.Buffer, v *View) {
	if v.ProblemsTotal == 0 {
		_, _ = terminal.Fprintf(b, "%s\n", v.NothingText())
		return
	}
	_, _ = terminal.Fprintf(b, "\nNEEDS ATTENTION (%d)\n", v.ProblemsTotal)
	for i := range v.Problems {
		p := &v.Problems[i]
		_, _ = terminal.Fprintf(b, "%s: %s%s\n", string(p.Level), p.Subject(), p.What)
		if p.Why != "" {
			_, _ = terminal.Fprintf(b, "  %s\n", p.Why)
		}
		_, _ = terminal.Fprintf(b, "  %s: %s\n", p.Lead(), p.Next)
		if p.Does != "" {
			_, _ = terminal.Fprintf(b, "    %s\n", p.Does)
		}
		for _, step := range p.Then {
			_, _ = terminal.Fprintf(b, "  %s\n    %s\n", step.Command, step.Does)
		}
	}
}

func writeFeeds(b *bytes.Buffer, v *View) {
	_, _ = terminal.Fprintf(b, "\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "FEED\tSTATE\tPOSITION\tRATE\tPENDING\tOLDEST\tUNSEALED\tREFUSED\tEPOCHS\tREADERS\n")
	for i := range v.Feeds {
		f := &v.Feeds[i]
		_, _ = terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", f.Name, f.StateText(), Count(f.Position), f.RateText(),
			f.PendingText(), orDash(f.OldestText()), f.Unsealed, f.RefusedText(), f.Epochs, f.ReadersText())
	}
	_ = table.Flush()
	writeMore(b, "feeds", v.FeedsPages)
}

func writeReaders(b *bytes.Buffer, v *View) {
	_, _ = terminal.Fprintf(b, "\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "READER\tFEED\tPOSITION\tBEHIND\tOLDEST UNFETCHED\tSEEN\tSTATE\tPROGRAM\n")
	for i := range v.Readers {
		r := &v.Readers[i]
		_, _ = terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Feed, r.PositionText(), r.BehindText(), orDash(r.OldestText()), r.SeenText(), r.StateText(), orDash(r.Agent))
	}
	_ = table.Flush()
	writeMore(b, "readers", v.ReadersPages)
	if v.Query.Reader != "" {
		writeReaderFacts(b, v)
	}
}

func writeReaderFacts(b *bytes.Buffer, v *View) {
	_, _ = terminal.Fprintf(b, "\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "FEED\tFIRST REQUEST\tLAST REQUEST\tASKS\tLAST STATUS\tADDRESS\n")
	for i := range v.Readers {
		r := &v.Readers[i]
		_, _ = terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Feed, stamp(r.First), stamp(r.Seen), r.IntervalText(), r.StatusText(), orDash(r.Address))
	}
	_ = table.Flush()
}

func writeMore(b *bytes.Buffer, name string, p Pages) {
	if p.Page < p.Pages {
		_, _ = terminal.Fprintf(b, "page %d of %d; the next one: ?%s=%d\n", p.Page, p.Pages, name, p.Page+1)
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
