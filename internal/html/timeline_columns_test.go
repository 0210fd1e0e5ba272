package html_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// versionsOf returns two versions of o-1, whose total changes, and that were recorded so long after they
// happened.
func versionsOf(recordedAfter time.Duration) (versions []html.EntityVersion) {
	for version := int64(1); version <= 2; version++ {
		at := time.Date(2026, 5, 3, 8, int(version), 0, 0, time.UTC)
		e := event.Event{ID: fmt.Sprint(version), Source: "/s", Type: "T", Subject: "o-1", Time: at, DataContentType: "application/json", Data: fmt.Appendf(nil, `{"total":%d}`, version)}
		versions = append(versions, html.EntityVersion{Placed: event.Placed{Event: e, Position: version, Recorded: at.Add(recordedAfter)}, Version: version, DataSize: int64(len(e.Data))})
	}
	return versions
}

func timelinePage(t *testing.T, recordedAfter time.Duration) string {
	t.Helper()
	versions := versionsOf(recordedAfter)
	page, err := html.EntityPage(&html.Entity{Feed: "f", Title: "F", Subject: "o-1", Version: 2, First: versions[0], Newest: versions[1], Versions: versions})
	must.OK(t, err)
	return string(page)
}

func TestATimelineSaysWhenAnEventWasRecordedOnlyIfItHappenedAtAnotherTime(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]bool{0: false, time.Second: false, -time.Second: false, 1001 * time.Millisecond: true, -2 * time.Second: true, 48 * time.Hour: true} {
		if page := timelinePage(t, after); strings.Contains(page, "Recorded at another time") != want || strings.Contains(page, `colspan="5"`) != want || strings.Count(page, `class="unit">recorded`) != map[bool]int{true: 2}[want] {
			t.Errorf("recorded after %s, want the time: %v\n%s", after, want, page)
		}
	}
}

// The changes say what the data of a version says, but for the first.
func TestATimelineFoldsTheDataOfAVersionWithChanges(t *testing.T) {
	t.Parallel()
	page := timelinePage(t, 0)
	for _, want := range []string{
		`<summary>Data<span class="hidden"> of version 2</span></summary><bdi>{&#34;total&#34;:2}</bdi></details>`,
		`<td role="cell" class="data"><bdi>{&#34;total&#34;:1}</bdi></td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not in\n%s", want, page)
		}
	}
}
