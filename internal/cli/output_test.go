package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// An error quotes what a database quotes, and that may be all of an event.
func TestLongErrorsAreCut(t *testing.T) {
	t.Parallel()
	long := errors.New("line 7: " + strings.Repeat("ü", 100_000))
	var printed, logged strings.Builder
	report(&printed, &cobra.Command{Use: "seeder"}, long)
	Logger(&logged).Warn("cannot apply", "error", long)
	for name, said := range map[string]string{"printed": printed.String(), "logged": logged.String()} {
		if len(said) > maxText+200 || !strings.Contains(said, "line 7: ü") || !strings.Contains(said, "ü …") {
			t.Errorf("%s: %d bytes: %.100s", name, len(said), said)
		}
	}
	if text := clip(strings.Repeat("x", maxText)); len(text) != maxText {
		t.Errorf("%d bytes of %d", len(text), maxText)
	}
}
