package projection

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

// TestTypesKeepNoPage: the strings of an event lie in the page that it came in.
// What is remembered of each type must not keep all of that in memory.
func TestTypesKeepNoPage(t *testing.T) {
	const pages, pageBytes = 200, 1 << 20
	p, err := Parse("test.sql", []byte("-- on T\n"))
	if err != nil {
		t.Fatal(err)
	}
	plans := NewPlans(p, false, func(s *Statement) *Statement { return s })
	var sample Sample
	for name, remember := range map[string]func(*event.Delivered){
		"plans":  func(e *event.Delivered) { plans.of(e) },
		"sample": func(e *event.Delivered) { sample.Add(&e.Event) },
	} {
		before := heap()
		for i := range pages {
			page := fmt.Sprintf("T%03d", i) + "feed" + "urn:" + strings.Repeat(" ", pageBytes)
			e := event.Delivered{Feed: page[4:8], FeedID: page[8:12], Placed: event.Placed{Event: event.Event{Type: page[:4], Source: "/s", ID: "1"}}}
			remember(&e)
		}
		if kept := heap() - before; kept > pages*pageBytes/10 {
			t.Errorf("%s: %d bytes of %d pages are kept", name, kept, pages)
		}
	}
	runtime.KeepAlive(plans)
	runtime.KeepAlive(sample)
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
