package html_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestSeedersPageSaysHowMuchOfALongListItShows(t *testing.T) {
	t.Parallel()
	read := time.Date(2026, 11, 30, 15, 4, 5, 0, time.UTC)
	long := "shop.sql:3: " + strings.Repeat("x", 500) + " violates check constraint orders_total_check"
	parked := func(failed int64, more bool) html.SeederParked {
		p := html.SeederParked{
			Events: 2000, FailedEvents: failed, MoreFailed: more, Entities: failed, Read: &read, More: failed > 50,
			Errors: []html.SeederError{{Error: long, Events: failed - 1}}, MoreErrors: 1, Steps: []html.SeederStep{{Do: "Fix it."}},
		}
		for n := range min(failed, 50) {
			p.Failed = append(p.Failed, html.SeederParkedEvent{Feed: "orders", Position: n, Subject: "a", Error: long, Attempts: 1, Since: read})
		}
		return p
	}
	for name, test := range map[string]struct {
		page html.Seeder
		want []string
		no   string
	}{
		"few": {html.Seeder{Parked: parked(9, false)}, []string{">By feed and position, as of ", "<strong>8 events failed:</strong>", "1 other error:"}, " more</summary>"},
		"more than are listed": {html.Seeder{Parked: parked(169, false)}, []string{
			">The first 50 of 169, by feed and position, as of ", "<summary>40 more</summary>", `<bdi class="line error">shop.sql:3: xxxxxxxxxxxx … violates check constraint orders_total_check</bdi>`,
		}, "errors of the first"},
		"more than are counted": {html.Seeder{Parked: parked(1000, true)}, []string{">The first 50 of more than 1,000, by feed", "These are the errors of the first 1,000 events that failed."}, ""},
		"in a dry run":          {html.Seeder{DryRun: true, Parked: html.SeederParked{Events: 2}}, []string{"so none of them is in the target"}, "To apply them"},
		"one skipped type":      {html.Seeder{SkippedTypes: 1, Events: html.SeederEvents{Skipped: 1}}, []string{"1 type has no block (-- on TYPE) in the projection, so 1 event was skipped. If the projection does not need it, nothing is missing."}, "new copy"},
		"skipped types":         {html.Seeder{SkippedTypes: 3, Events: html.SeederEvents{Skipped: 46}, Rebuild: "seeder run"}, []string{"3 types have no block (-- on TYPE) in the projection, so 46 events were skipped. If the projection does not need them, nothing is missing.", "<h3>To fill a new copy beside this one</h3>"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := html.SeederPage(&test.page)
			must.OK(t, err)
			for _, want := range test.want {
				if !strings.Contains(string(got), want) {
					t.Errorf("the page lacks %q:\n%s", want, got)
				}
			}
			if test.no != "" && strings.Contains(string(got), test.no) {
				t.Errorf("the page has %q", test.no)
			}
		})
	}
}
