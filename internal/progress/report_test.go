package progress

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/seed"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestReport(t *testing.T) {
	t.Parallel()
	many := map[string]int64{"Create Fine": 150_370, "a type whose name is so long that it would make all of the table as wide as the terminal is: Placed": 70_000}
	var applied int64 = 220_370
	for n := range int64(40) {
		many[fmt.Sprintf("Type%02d", n)] = 1000 - n/2
		applied += 1000 - n/2
	}
	first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		seed.Progress
		took time.Duration
	}{
		"nothing": {seed.Progress{Fetch: time.Second, Pages: 1}, time.Second},
		"small":   {seed.Progress{Applied: 1, Types: map[string]int64{"OrderPlaced": 1}, First: first, Last: first, Pages: 1, Bytes: 900, Fetch: 3 * time.Millisecond}, 40 * time.Millisecond},
		"large": {seed.Progress{
			Applied: applied, Skipped: 1000, Parked: 12, LeftOut: 50_000, Types: many,
			First: first, Last: first.AddDate(13, 5, 17).Add(123456 * time.Microsecond), Pages: 1123, Bytes: 561_470_000,
			Fetch: 14*time.Minute + 5*time.Second, Decode: 61 * time.Second, Apply: 71 * time.Minute, Commit: 1500 * time.Millisecond,
		}, 75 * time.Minute},
		"skipped and unmatched": {seed.Progress{
			Applied: 7, Skipped: 4, Types: map[string]int64{"OrderPaid": 2, "Created": 2, "LabelPrinted": 3, "a type whose name is so long that it leaves no room: Placed": 1_234_567},
			SkippedTypes: map[string]int64{"LabelPrinted": 3, "Created": 1, "a type whose name is so long that it leaves no room: Placed": 1_234_567},
			Feeds:        []seed.FeedProgress{{Feed: "orders", FeedID: "urn:uuid:1", Position: 7, Head: 7}},
			Unmatched:    []seed.Unmatched{{Place: "sql/shipping.sql:12", Name: "OrderPayed"}, {Place: "sql/shipping.sql:15", Name: "order/OrderPaid", Feed: "order"}, {Place: "sql/shipping.sql:18", Name: "orders/Paid", Feed: "orders"}},
		}, time.Second},
		"unmatched so far": {seed.Progress{
			Applied: 7, Types: map[string]int64{"OrderPaid": 7}, Feeds: []seed.FeedProgress{{Feed: "orders", Position: 7, Head: 70}},
			Unmatched: slices.Repeat([]seed.Unmatched{{Place: "shipping.sql:12", Name: "OrderPayed"}}, maxTypes+2),
		}, time.Second},
		"all left out": {seed.Progress{LeftOut: 5, Pages: 2, Bytes: 5000}, 2 * time.Second},
		"as many types as are shown": {seed.Progress{Applied: 31, Types: func() map[string]int64 {
			types := map[string]int64{}
			for n := range maxTypes + 1 {
				types[fmt.Sprintf("Type%02d", n)] = 1
			}
			return types
		}()}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			if err := WriteReport(&got, test.Progress, test.took); err != nil {
				t.Fatal(err)
			}
			golden := "testdata/report-" + strings.ReplaceAll(name, " ", "-") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got.String() != string(want) {
				t.Errorf("%v\ngot\n%s\nwant\n%s", err, &got, want)
			}
			for line := range strings.Lines(got.String()) {
				if len([]rune(line)) > 80 {
					t.Errorf("longer than 79 columns: %s", line)
				}
			}
		})
	}
}
