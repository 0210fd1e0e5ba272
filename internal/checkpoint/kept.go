package checkpoint

import (
	"math/bits"
	"slices"
)

// ringSize is how many digests a consumer keeps of the positions that 2^n
// divides and 2^(n+1) does not, for each n.
//
// So it keeps the digests of the last 2*ringSize positions, of every second one of the last
// 4*ringSize, of every fourth one of the last 8*ringSize, and so on. With these, the place at
// which a feed's history differs from the applied one is found with an error of about a 30th
// of the events that were applied after it. For a billion events it keeps about 900 digests.
const ringSize = 32

// Slot returns the slot in which a consumer keeps the digest at a position, which must be
// above 0. The digest that it overwrites is one that is not kept any more, so nothing has to
// be deleted while a consumer moves forward.
func Slot(position int64) int64 {
	n := bits.TrailingZeros64(uint64(position))
	return int64(n)*ringSize + position>>(n+1)%ringSize
}

// KeptPositions returns the positions whose digests a consumer stores when its checkpoint
// moves forward from one position to another: ascending, and without from.
//
// The next step of a seed follows at once and would overwrite most of them. So a step that
// does not reach the feed's end adds only about 16, evenly spread; the step that reaches it
// adds all.
func KeptPositions(from, to int64, atEnd bool) (positions []int64) {
	least := int64(1)
	for !atEnd && least <= (to-from)/16 {
		least *= 2
	}
	for step := least; step > 0 && step <= to; step *= 2 {
		last := to - (to-step)%(2*step) // the last odd multiple of step
		first := max(from+1, last-2*step*(ringSize-1))
		for p := last; p >= first; p -= 2 * step {
			positions = append(positions, p)
		}
	}
	slices.Sort(positions)
	return positions
}
