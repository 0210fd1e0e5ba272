package seed

import (
	"fmt"
	"testing"
)

// TestTypesAreCountedUpToABound: a producer may make them up.
func TestTypesAreCountedUpToABound(t *testing.T) {
	t.Parallel()
	counted := newTotals()
	for n := range 3 * maxTypes {
		counted.countType(fmt.Sprint("type ", n), 1)
		counted.countType("type 0", 1)
		counted.countSkipped(fmt.Sprint("type ", n), 1)
	}
	if len(counted.skippedTypes) != maxTypes+1 || counted.skippedTypes["type 0"] != 1 || counted.skippedTypes[OtherTypes] != 2*maxTypes {
		t.Errorf("skipped: %d types, %d of the first, %d others", len(counted.skippedTypes), counted.skippedTypes["type 0"], counted.skippedTypes[OtherTypes])
	}
	for n := range 3 * maxTypes {
		countBounded(counted.parkedTypes, fmt.Sprint("type ", n), 1)
	}
	if len(counted.parkedTypes) != maxTypes+1 || counted.parkedTypes[OtherTypes] != 2*maxTypes {
		t.Errorf("parked: %d types, %d others", len(counted.parkedTypes), counted.parkedTypes[OtherTypes])
	}
	if len(counted.types) != maxTypes+1 || counted.types["type 0"] != 3*maxTypes+1 || counted.types[OtherTypes] != 2*maxTypes {
		t.Errorf("%d types, %d of the first, %d others", len(counted.types), counted.types["type 0"], counted.types[OtherTypes])
	}
}
