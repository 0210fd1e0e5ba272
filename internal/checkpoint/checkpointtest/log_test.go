package checkpointtest_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint/checkpointtest"
)

// TestALogPassesTheContractWithItsOneInterface: what it lacks is not asked of it.
func TestALogPassesTheContractWithItsOneInterface(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, func(*testing.T) checkpointtest.Place {
		log := &checkpointtest.Log{}
		return checkpointtest.Place{Target: log, Applied: func(*testing.T) []int64 { return log.Positions() },
			Steal: func(*testing.T) { log.Steal() }}
	})
}
