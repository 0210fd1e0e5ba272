package site

import (
	"bytes"
	"encoding/json"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// RenderPage writes the page of an export in a form. place is the site, without a password; version is
// that of the program.
func RenderPage(p *Progress, place, version string, form operations.Form, now time.Time) ([]byte, error) {
	state := stateOf(p, place, version, now)
	switch form {
	case operations.HTML:
		return html.ExportPage(state)
	case operations.JSON:
		text, err := json.MarshalIndent(state, "", "  ")
		return append(terminal.JSON(text), '\n'), err
	default:
		return textOf(state), nil
	}
}

func stateOf(p *Progress, place, version string, now time.Time) *html.Export {
	state := &html.Export{Site: place, Version: version, Now: now, Feeds: []html.ExportFeed{}, Paths: []string{"/healthz", "/readyz", "/metrics"}}
	if since, err := p.Failing(); err != nil {
		state.Error, state.Since = err.Error(), since
	}
	for _, f := range p.Feeds() {
		row := html.ExportFeed{
			Name: f.Feed, Archives: f.Archives, Position: f.Position, Head: f.Head, BehindEvents: f.Behind(), Exported: f.Exported, Ago: "not yet",
			Documents: int64(f.Written), Bytes: f.Bytes, Size: humanize.Bytes(uint64(max(f.Bytes, 0))),
		}
		if !f.Exported.IsZero() {
			row.Ago = now.Sub(f.Exported).Round(time.Second).String() + " ago"
		}
		if f.Err != nil {
			row.Error = f.Err.Error()
		}
		state.Feeds = append(state.Feeds, row)
	}
	return state
}

func textOf(state *html.Export) []byte {
	b := &bytes.Buffer{}
	_, _ = terminal.Fprintf(b, "%s\nsite %s, version %s\n", state.Sentence(), state.Site, state.Version)
	if state.Error != "" {
		_, _ = terminal.Fprintf(b, "since %s: %s\n", state.Since.Format(time.RFC3339), state.Error)
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(w, "\nFEED\tARCHIVES\tPOSITION\tOF\tBEHIND\tEXPORTED\tDOCUMENTS\tSIZE\n")
	for i := range state.Feeds {
		f := &state.Feeds[i]
		_, _ = terminal.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\n", f.Name, f.Archives, f.Position, f.Head, f.BehindEvents, f.Ago, f.Documents, f.Size)
	}
	_ = w.Flush() // into memory
	_, _ = terminal.Fprintf(b, "\nalso here: %s %s %s\n", state.Paths[0], state.Paths[1], state.Paths[2])
	return b.Bytes()
}
