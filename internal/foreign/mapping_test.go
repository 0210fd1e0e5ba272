//go:build unix

package foreign_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestMapping holds docs/foreign.md: what the events are that entries become.
func TestMapping(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.xml")
	must.OK(t, err)
	if len(inputs) == 0 {
		t.Fatal("no feeds")
	}
	for _, input := range inputs {
		t.Run(filepath.Base(input), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(input)
			must.OK(t, err)
			feed := newSite(t)
			s := &seeder{target: newSQLite(t), url: feed.url + "/blog/feed.atom"}
			feed.write(t, "blog/feed.atom", string(text))
			must.OK(t, s.run(t))
			got := strings.ReplaceAll(events(t, s.applied), feed.url, "http://SERVER")
			golden := strings.TrimSuffix(input, ".xml") + ".golden"
			if *update {
				must.OK(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			must.OK(t, err)
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// events writes events with their data, each attribute on a line of its own.
func events(t *testing.T, all []event.Placed) string {
	t.Helper()
	var b strings.Builder
	for i := range all {
		line := cloudevents.AppendJSON(nil, &all[i].Event)
		var indented bytes.Buffer
		must.OK(t, json.Indent(&indented, line, "", "  "))
		b.WriteString(indented.String() + "\n")
	}
	return b.String()
}

// What a document's encoding is, its mark or its declaration says.
func TestEncodings(t *testing.T) {
	t.Parallel()
	const text = `<?xml version="1.0" encoding="ENCODING"?><feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x:e</id><title>t</title>` +
		`<entry><id>é</id><title>Grüße &amp; mehr</title><updated>2026-01-02T03:04:05Z</updated><content>naïve</content></entry></feed>`
	encode := func(label, with string) string {
		declared := strings.ReplaceAll(text, "ENCODING", label)
		switch with {
		case "latin1":
			declared, _ = charmap.ISO8859_1.NewEncoder().String(declared)
		case "utf-16le":
			declared, _ = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(declared)
		case "utf-16be":
			declared, _ = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(declared)
		case "bom":
			declared = "\ufeff" + declared
		}
		return declared
	}
	for name, body := range map[string]string{
		"UTF-8":                       encode("utf-8", ""),
		"UTF-8 with a mark":           encode("UTF-8", "bom"),
		"no declaration":              strings.TrimPrefix(encode("", ""), `<?xml version="1.0" encoding=""?>`),
		"a mark and no declaration":   "\ufeff" + strings.TrimPrefix(encode("", ""), `<?xml version="1.0" encoding=""?>`),
		"space before all":            " \n" + encode("utf-8", ""),
		"ISO-8859-1":                  encode("ISO-8859-1", "latin1"),
		"windows-1252":                encode("windows-1252", "latin1"),
		"UTF-16 little-endian":        encode("UTF-16", "utf-16le"),
		"UTF-16 big-endian":           encode("utf-16", "utf-16be"),
		"UTF-8 that says it's UTF-16": encode("utf-16", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feed := newSite(t)
			s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
			feed.write(t, "feed.atom", body)
			must.OK(t, s.run(t))
			if len(s.applied) != 1 {
				t.Fatalf("%d events", len(s.applied))
			}
			const want = `{"id":"é","title":"Grüße & mehr","content":"naïve","updated":"2026-01-02T03:04:05Z"}`
			if e := s.applied[0]; e.ID != "é" || string(e.Data) != want {
				t.Errorf("event %s with data %s, want %s", e.ID, e.Data, want)
			}
		})
	}
	feed := newSite(t)
	for name, body := range map[string]string{
		"another encoding than it says": encode("utf-8", "latin1"),
		"an encoding nobody knows":      encode("x-klingon", ""),
	} {
		feed.write(t, "feed.atom", body)
		s := &seeder{target: newSQLite(t), url: feed.url + "/feed.atom"}
		if err := s.run(t); err == nil || !strings.Contains(err.Error(), "encoding") {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}
