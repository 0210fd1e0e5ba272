package checkpoint

import (
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestKeptPlacesLieTheCloserTheLaterTheyAre: however a consumer has come to a
// position, and back, what it keeps are the last 64 positions, every second of
// the last 128, and so on; and never one behind its checkpoint.
func TestKeptPlacesLieTheCloserTheLaterTheyAre(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		kept := make(map[int64]int64) // positions by slots
		at := int64(0)
		for range 200 {
			to := at + 1 + random.Int64N(1<<random.Int64N(16))
			for _, p := range KeptPositions(at, to, true) {
				if p <= at || p > to {
					t.Fatalf("position %d is added on the way from %d to %d", p, at, to)
				}
				kept[Slot(p)] = p
			}
			at = to
		}
		var want []int64
		for p := int64(1); p <= at; p++ {
			if at-p < 2*ringSize<<bits.TrailingZeros64(uint64(p)) {
				want = append(want, p)
			}
		}
		if got := slices.Sorted(maps.Values(kept)); !slices.Equal(got, want) {
			t.Fatalf("at %d:\ngot  %v\nwant %v", at, got, want)
		}
	}
}

func TestOfABillionEventsFewPlacesAreKept(t *testing.T) {
	t.Parallel()
	kept := KeptPositions(0, 1_000_000_000, true)
	if len(kept) > 1000 {
		t.Errorf("%d places", len(kept))
	}
	for i, p := range kept[1:] {
		before, away := kept[i], 1_000_000_000-p
		if gap := p - before; gap > 1 && gap > (away+gap)/ringSize {
			t.Errorf("nothing is kept between %d and %d", before, p)
		}
	}
	slots := make(map[int64]bool)
	for _, p := range kept {
		slots[Slot(p)] = true
	}
	if len(slots) != len(kept) {
		t.Errorf("%d places share %d slots", len(kept), len(slots))
	}
}

// TestASeedKeepsFewPlacesAStep, and those that it leaves when it has reached the
// feed's end lie no further apart than an eighth of what was applied since.
func TestASeedKeepsFewPlacesAStep(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	kept := make(map[int64]int64) // positions by slots
	at := int64(0)
	for n := range 100 {
		to := at + 500 + random.Int64N(20_000)
		added := KeptPositions(at, to, n == 99)
		if n < 99 && (len(added) < 8 || len(added) > 32) {
			t.Fatalf("%d places on the way from %d to %d", len(added), at, to)
		}
		for _, p := range added {
			kept[Slot(p)] = p
		}
		at = to
	}
	places := slices.Sorted(maps.Values(kept))
	for i, p := range places[1:] {
		if gap, away := p-places[i], at-p; gap > 1 && gap > (away+gap)/8 {
			t.Errorf("nothing is kept between %d and %d, at %d", places[i], p, at)
		}
	}
}
