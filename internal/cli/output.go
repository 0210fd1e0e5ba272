package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Logger returns the commands' logger: text on w, without passwords.
func Logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: scrubAttribute}))
}

// maxText is how much of an error is shown, in bytes: a database may quote all of an
// event's data in it.
const maxText = 4 << 10

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + " …"
}

// ErrorText returns the text of an error as it may be shown: explained, without passwords, and
// not longer than 4 KiB.
func ErrorText(err error) string { return clip(scrub(explain.Text(err))) }

func scrubAttribute(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(scrub(value))
	case error:
		a.Value = slog.StringValue(ErrorText(value))
	}
	return a
}

// PrintJSON prints a value as JSON, indented. What a terminal would obey is escaped
// as JSON does it, so that a program reads the same value.
func PrintJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(terminal.JSON(text.Bytes()))
	return err
}

// Events is a number of events in words: 1 event, 2 events.
func Events(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// Pace says how long something took, and how many a second that was where it
// took long enough to say so.
func Pace(n int64, took time.Duration) string {
	if took < time.Second {
		return fmt.Sprintf("in %.1f s", took.Seconds())
	}
	return fmt.Sprintf("in %.1f s (%.0f/s)", took.Seconds(), float64(n)/took.Seconds())
}
