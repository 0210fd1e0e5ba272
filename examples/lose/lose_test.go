package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// What the program is there to show.
func TestTheFeedLosesNothingAndTheLastIDDoes(t *testing.T) {
	t.Parallel()
	database := need.Postgres(t)
	feedserver := filepath.Join(t.TempDir(), "feedserver")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", feedserver, "../../cmd/feedserver").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	written, readers, err := run(t.Context(), database, feedserver, 3*time.Second)
	must.OK(t, err)
	for _, r := range readers {
		if r.name == stalls {
			continue // other tests have open transactions too
		}
		if lost := written - r.count(); (lost > 0) != (r.name == lastSeen) {
			t.Errorf("%s: %d of %d are lost", r.name, lost, written)
		}
	}
}
