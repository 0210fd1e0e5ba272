package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/execsink"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// The programs that exec.md shows acknowledge every event.
func TestProgramsOfExecWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("exec.md")
	must.OK(t, err)
	shown := regexp.MustCompile("(?s)\n```(?:python|sh)\n# (\\S+)\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if len(shown) != 2 {
		t.Fatalf("%d programs", len(shown))
	}
	var events []event.Delivered
	for n := int64(1); n <= 20; n++ {
		events = append(events, event.Delivered{Feed: "orders", FeedID: "urn:uuid:1", Live: n == 20, Placed: event.Placed{
			Position: n, Recorded: time.Unix(0, 0), Event: event.Event{
				ID: fmt.Sprint(n), Source: `/"efposition":"7"`, Type: "OrderPaid", Subject: fmt.Sprintf(`o "efposition":"7" \%d`, n),
				DataContentType: "application/json", Data: []byte(`{"efposition":"7"}`),
			}}})
	}
	for _, match := range shown {
		name, source := match[1], match[2]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			must.OK(t, os.WriteFile(filepath.Join(folder, name), []byte(source), 0o600))
			interpreter := "/bin/sh"
			if filepath.Ext(name) == ".py" {
				interpreter = need.Tool(t, "python3")
			}
			var said strings.Builder
			p := execsink.New(execsink.Config{
				Command: "cd '" + folder + "' && exec " + interpreter + " " + name,
				Feeds:   []execsink.Feed{{ID: "urn:uuid:1", Name: "orders"}}, Patience: time.Nanosecond, Stderr: &said,
			})
			for batch := range slices.Chunk(events, 7) {
				must.OK(t, p.Deliver(t.Context(), batch, func(int) error { return nil }))
			}
			p.Close()
			files, err := filepath.Glob(folder + "/*.json")
			must.OK(t, err)
			switch name {
			case "save.sh":
				if len(files) != len(events) || said.Len() > 0 {
					t.Errorf("%d files: %s", len(files), &said)
				}
			default:
				if want := "new event: " + events[19].Subject + " OrderPaid\n"; said.String() != want {
					t.Errorf("said %q, want %q", &said, want)
				}
			}
		})
	}
}
