package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Logger returns the commands' logger: text on w, without passwords.
func Logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: scrubAttribute}))
}

func scrubAttribute(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(scrub(value))
	case error:
		a.Value = slog.StringValue(scrub(value.Error()))
	}
	return a
}

// PrintJSON prints a value as JSON, indented.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// Pace says how long something took, and how many a second that was where it
// took long enough to say so.
func Pace(n int64, took time.Duration) string {
	if took < time.Second {
		return fmt.Sprintf("in %.1f s", took.Seconds())
	}
	return fmt.Sprintf("in %.1f s (%.0f/s)", took.Seconds(), float64(n)/took.Seconds())
}
