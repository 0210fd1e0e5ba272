package quota_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/quota"
)

func TestEachClientHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	c := quota.NewClients(10)
	if !c.Take("a", 6) || c.Take("a", 5) || !c.Take("a", 4) || !c.Take("b", 10) {
		t.Error("the limit is not 10 for each")
	}
	c.Give("a", 6)
	if !c.Take("a", 6) || c.Take("b", 1) {
		t.Error("what is given back is not there")
	}
}

func TestAClientThatHasNothingMayTakeMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	c := quota.NewClients(10)
	if !c.Take("a", 100) || c.Take("a", 1) {
		t.Error("it is not alone")
	}
	c.Give("a", 100)
	if c.Has("a") != 0 || !c.Take("a", 1) {
		t.Error("what is given back is not there")
	}
}

func TestNoLimitBoundsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []*quota.Clients{nil, {}, quota.NewClients(0)} {
		for range 2 {
			if !c.Take("a", 1<<40) {
				t.Error("it is bounded")
			}
		}
		c.Give("a", 1<<40)
	}
}
