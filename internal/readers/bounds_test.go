package readers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/readers"
)

// names returns the names of the readers that a condition holds for, in the order in which they came.
func names(l *readers.List, is func(r *readers.Reader) bool) (all []string) {
	list := l.All()
	for i := range list {
		if is(&list[i]) {
			all = append(all, list[i].Name)
		}
	}
	return all
}

func isAddress(r *readers.Reader) bool { return r.Kind == readers.Address }

func TestListIsBoundedAndDropsWhoWasSeenLongestAgo(t *testing.T) {
	t.Parallel()
	l, c := newList()
	stays := l.Visit(address("stays"), "")
	l.Visit(address("goes"), "")
	for n := range 3 * readers.Limit {
		c.now = c.now.Add(time.Second)
		l.Visit(address(fmt.Sprint(n)), "")
		stays.Seen()
	}
	all := l.All()
	if len(all) != readers.Limit || all[0].Name != "stays" || all[1].Name != fmt.Sprint(2*readers.Limit+1) {
		t.Errorf("%d readers, the first are %+v, %+v", len(all), all[0], all[1])
	}
}

// Who waits is connected, so it is there.
func TestReaderThatWaitsIsNeverDropped(t *testing.T) {
	t.Parallel()
	l, c := newList()
	waits := l.Visit(address("waits"), "")
	waits.Wait("e", 1)
	for n := range 2 * readers.Limit {
		l.Visit(address(fmt.Sprint(n)), "")
	}
	all := l.All()
	if len(all) != readers.Limit || all[0].Name != "waits" || all[0].Waiting != 1 {
		t.Fatalf("%d readers, the first is %+v", len(all), all[0])
	}
	waits.Resume()
	c.now = c.now.Add(time.Second)
	for n := range readers.Limit - 1 {
		l.Visit(address(fmt.Sprint("new", n)), "")
	}
	if all = l.All(); len(all) != readers.Limit || all[0].Name != "waits" || all[0].Waiting != 0 {
		t.Fatalf("afterwards: %d readers, the first is %+v", len(all), all[0])
	}
	// As many as there are connections may wait, and the list is short again once they do not.
	var visits []readers.Visit
	for n := range readers.Limit + 100 {
		v := l.Visit(address(fmt.Sprint("poll", n)), "")
		v.Wait("e", 1)
		visits = append(visits, v)
	}
	l.Visit(address("another"), "").Ask()
	if n := len(l.All()); n != readers.Limit+101 {
		t.Errorf("%d readers while they wait", n)
	}
	for _, v := range visits {
		v.Resume()
	}
	if n := len(l.All()); n != readers.Limit {
		t.Errorf("%d readers afterwards", n)
	}
}

// The publisher gives names; anybody has addresses.
func TestReadersWithoutANameNeverReplaceOneWithAName(t *testing.T) {
	t.Parallel()
	l, c := newList()
	l.Visit(token("f", "shipping"), "")
	c.now = c.now.Add(time.Hour)
	for n := range 2 * readers.Limit {
		l.Visit(address(fmt.Sprint(n)), "")
	}
	if all := l.All(); len(all) != readers.Limit+1 || all[0].Name != "shipping" {
		t.Errorf("%d readers, the first is %+v", len(all), all[0])
	}
}

func TestAddressWithManyProgramsReplacesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	l, _ := newList()
	for n := range readers.Limit - 100 {
		l.Visit(address(fmt.Sprint(n)), "")
	}
	for n := range 2 * readers.Limit {
		for feed := range 3 {
			l.Visit(readers.Identity{Feed: fmt.Sprint(feed), Kind: readers.Address, Name: "crowd"}, fmt.Sprintf("agent%d/1", n))
		}
	}
	crowd := names(l, func(r *readers.Reader) bool { return r.Name == "crowd" })
	if all := names(l, isAddress); len(crowd) != 3*readers.ProgramLimit || len(all) != readers.Limit-100+len(crowd) {
		t.Errorf("%d readers, %d of one address", len(all), len(crowd))
	}
	for n := range 2 * readers.Limit { // feeds
		l.Visit(readers.Identity{Feed: fmt.Sprint(n), Kind: readers.Address, Name: "crowd"}, "agent/1")
	}
	if crowd = names(l, func(r *readers.Reader) bool { return r.Name == "crowd" }); len(crowd) != readers.AddressLimit {
		t.Errorf("%d of one address with many feeds", len(crowd))
	}
}

// A seeder may follow thousands of feeds.
func TestNamedReaderOfManyFeedsKeepsItsIntervals(t *testing.T) {
	t.Parallel()
	const feeds = 2000
	l, c := newList()
	for range 3 {
		for n := range feeds {
			v := l.Visit(token(fmt.Sprint(n), "shipping"), "eventfeed")
			v.Ask()
			v.At("e", 7)
		}
		for n := range 2 * readers.Limit {
			l.Visit(address(fmt.Sprint(n)), "")
		}
		c.now = c.now.Add(5 * time.Second)
	}
	kept := names(l, func(r *readers.Reader) bool {
		return r.Kind == readers.Token && r.Interval == 5*time.Second && r.Position == 7
	})
	if len(kept) != feeds {
		t.Errorf("%d feeds of %d have an interval and a position", len(kept), feeds)
	}
	for n := range 2 * readers.NamedLimit {
		l.Visit(token(fmt.Sprint(n), "greedy"), "")
	}
	kept = names(l, func(r *readers.Reader) bool { return r.Kind == readers.Token })
	greedy := slices.Index(kept, "greedy")
	if greedy != feeds || len(kept) != feeds+readers.NameLimit {
		t.Errorf("%d named readers, %d before the one with most feeds", len(kept), greedy)
	}
}

// A reader may be dropped while its request is being answered.
func TestVisitOfAReaderThatWasDroppedBringsItBack(t *testing.T) {
	t.Parallel()
	l, c := newList()
	visit, again := l.Visit(address("slow"), ""), l.Visit(address("again"), "")
	visit.At("e", 5)
	for n := range readers.Limit {
		l.Visit(address(fmt.Sprint(n)), "")
	}
	if gone := names(l, func(r *readers.Reader) bool { return r.Name == "slow" || r.Name == "again" }); gone != nil {
		t.Fatalf("still there: %v", gone)
	}
	c.now = c.now.Add(time.Second)
	visit.Wait("e", 6)
	l.Visit(address("again"), "").Ask()
	again.Wait("e", 7) // is an earlier request of the same reader
	all := l.All()
	back := slices.IndexFunc(all, func(r readers.Reader) bool { return r.Name == "slow" })
	if len(all) != readers.Limit || back < 0 || all[back].Position != 6 || all[back].Waiting != 1 || !all[back].Seen.Equal(c.now) {
		t.Errorf("%d readers, it is number %d", len(all), back)
	}
	if twice := names(l, func(r *readers.Reader) bool { return r.Name == "again" && r.Position == 7 && r.Waiting == 1 }); len(twice) != 1 {
		t.Errorf("the other one: %v", twice)
	}
	visit.Resume()
	again.Resume()
	if waiting := names(l, func(r *readers.Reader) bool { return r.Waiting != 0 }); waiting != nil {
		t.Errorf("wait still: %v", waiting)
	}
}
