package terminal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

func TestLineEscapesWhatATerminalObeysAndWhatHides(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zürich 東京 👍 é\u00a0a\u3000b \ufffd": "Zürich 東京 👍 é\u00a0a\u3000b \ufffd",
		`C:\new`:                         `C:\new`,
		"\x1b]0;pwned\x07\x1b[2J":        `\x1b]0;pwned\x07\x1b[2J`,
		"a\r\nb\tc\vd\fe\x00\x7f":        `a\r\nb\tc\x0bd\x0ce\x00\x7f`,
		"\u009b31m\u0085":                `\u009b31m\u0085`,
		"\x9b31m\xff\xe2\x80":            `\x9b31m\xff\xe2\x80`,
		"\u202eevil\u2066x\u2069":        `\u202eevil\u2066x\u2069`,
		"\u200e\u200f\u061c":             `\u200e\u200f\u061c`,
		"a\u2028b\u2029c":                `a\u2028b\u2029c`,
		"or\u200bd\u200ce\u2060r\u00ads": `or\u200bd\u200ce\u2060r\u00ads`,
		"\ufeffa\U000e0041":              `\ufeffa\U000e0041`,
		"a\ufe0f\u3164\u115f\u034f":      `a\ufe0f\u3164\u115f\u034f`,
		"\ue000\U0010ffff\u0378":         `\ue000\U0010ffff\u0378`,
	} {
		if got := terminal.Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}

// Every character is either shown as it is or escaped to ASCII, and those that are
// shown neither control, format, nor separate lines.
func TestNoCharacterOfTheOtherCategoriesIsShown(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		line := terminal.Line(string(r))
		shown := line == string(r)
		if shown != terminal.Visible(r) {
			t.Fatalf("%U: Line and Visible differ", r)
		}
		if shown && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point) {
			t.Errorf("%U is shown", r)
		}
		if !shown && strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%U is escaped as %q", r, line)
		}
	}
}

func TestSprintfKeepsTheLinesOfTheFormatOnly(t *testing.T) {
	t.Parallel()
	hostile := "a\tb\nseeder: all is well\x1b[2J"
	visible := `a\tb\nseeder: all is well\x1b[2J`
	for want, got := range map[string]string{
		"x\t" + visible + "\n":            terminal.Sprintf("x\t%s\n", hostile),
		"e " + visible:                    terminal.Sprintf("e %v", errors.New(hostile)),
		"w w: " + visible:                 terminal.Sprintf("w %s", fmt.Errorf("w: %w", errors.New(hostile))),
		"b " + visible:                    terminal.Sprintf("b %s", []byte(hostile)),
		"l [" + visible + "]":             terminal.Sprintf("l %s", []string{hostile}),
		"n " + visible:                    terminal.Sprintf("n %s", named(hostile)),
		"1     2.5 true 3s 7":             terminal.Sprintf("%d %*.1f %t %s %d", 1, 7, 2.5, true, 3*time.Second, time.Duration(7)),
		"    x|x   |":                     terminal.Sprintf("%5s|%-4s|", "x", "x"),
		"Z \"a\\n\" \x20":                 terminal.Sprintf("Z %q %c", "a\n", ' '),
		"own\nlines\tof \\x1b the format": terminal.Sprintf("own\nlines\tof \x1b the format"),
	} {
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

type named string

func (n named) String() string { return string(n) }

func TestWriterKeepsLinesAndCharactersThatAreSplit(t *testing.T) {
	t.Parallel()
	const text = "Zürich\t東京\n\u202e\x1b\xe2\x80|\xff👍\xe6\x9d"
	const want = "Zürich\t東京\n" + `\u202e\x1b\xe2\x80|\xff👍\xe6\x9d`
	for size := 1; size <= len(text); size++ {
		var shown bytes.Buffer
		w := terminal.NewWriter(&shown)
		for rest := text; rest != ""; {
			n, err := w.Write([]byte(rest[:min(size, len(rest))]))
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil || shown.String() != want {
			t.Errorf("in pieces of %d: %q, %v", size, shown.String(), err)
		}
	}
}

func TestJSONMeansTheSameAndShowsNoControl(t *testing.T) {
	t.Parallel()
	values := []string{"\x1b[2J\x07\x7f\u009b\u202e\u2028\u200b\ufeff", "\U000e0041👍東\n\t"}
	text, err := json.MarshalIndent(values, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	shown := terminal.JSON(text)
	if again := terminal.Text(string(shown)); again != string(shown) {
		t.Errorf("not fit for a terminal: %q", shown)
	}
	var got []string
	if err := json.Unmarshal(shown, &got); err != nil || got[0] != values[0] || got[1] != values[1] {
		t.Errorf("%s means %q, %v", shown, got, err)
	}
}
