package html_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/when"
)

// TestAHistoryDeniesADayOnlyIfItHasLookedAtAll of the events, and its form takes every day: the newest
// event need not be the last one by time.
func TestAHistoryDeniesADayOnlyIfItHasLookedAtAll(t *testing.T) {
	t.Parallel()
	at := func(version int64, year int) html.EntityVersion {
		e := event.Event{ID: "1", Source: "/s", Type: "T", Subject: "o-1", Time: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		return html.EntityVersion{Placed: event.Placed{Event: e, Position: version, Recorded: e.Time}, Version: version}
	}
	period, _ := when.Parse("2025-05-03", time.Now())
	for isAll, want := range map[bool]string{true: "No event on 3 May 2025. Below", false: "No event on 3 May 2025 was found. Not all 1,600 events were looked at"} {
		page, err := html.EntityPage(&html.Entity{
			Feed: "f", Title: "F", Subject: "o-1", Version: 1600, First: at(1, 2024), Newest: at(1600, 2024), Versions: []html.EntityVersion{at(1600, 2024)},
			Asked: &period, IsAll: isAll,
		})
		must.OK(t, err)
		if !strings.Contains(string(page), want) {
			t.Errorf("looked at all: %v: %s", isAll, page)
		}
		if strings.Contains(string(page), " min=") || strings.Contains(string(page), " max=") {
			t.Errorf("the form has bounds: %s", page)
		}
	}
}
