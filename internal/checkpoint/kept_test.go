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
			for _, p := range KeptPositions(at, to) {
				if p <= at || p > to {
					t.Fatalf("position %d is added on the way from %d to %d", p, at, to)
				}
				kept[slot(p)] = p
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
	kept := KeptPositions(0, 1_000_000_000)
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
		slots[slot(p)] = true
	}
	if len(slots) != len(kept) {
		t.Errorf("%d places share %d slots", len(kept), len(slots))
	}
}
