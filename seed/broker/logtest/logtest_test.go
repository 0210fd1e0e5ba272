package logtest_test

import (
	"testing"

	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

func TestALogInMemoryPassesTheTestsOfLogs(t *testing.T) {
	t.Parallel()
	logtest.Run(t, func(*testing.T) logtest.Place {
		place := &logtest.Memory{}
		return logtest.Place{NewLog: place.NewLog, Read: place.Read, Fences: true, MaxData: logtest.MaxData}
	})
}
