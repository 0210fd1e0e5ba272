package publish

import (
	"context"
	"errors"
	"testing"
	"time"
)

// led is a log of which this process has the lead or not.
type led struct {
	Log
	lead bool
	err  error
}

func (l led) Lead(context.Context) (bool, error) { return l.lead, l.err }

func TestSequencerLooksCloselyWhileSomeoneWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		log    led
		waited bool
		idle   time.Duration
		want   time.Duration
	}{
		"just idle":                     {led{lead: true}, false, time.Second, pollIdle},
		"idle for long":                 {led{lead: true}, false, time.Hour, pollQuiet},
		"someone waits":                 {led{lead: true}, true, time.Hour, pollWaitedQuiet},
		"someone waits, just idle":      {led{lead: true}, true, time.Second, pollWaited},
		"someone waits, another leads":  {led{}, true, time.Hour, pollWaitedQuiet},
		"another leads":                 {led{}, false, time.Second, pollStandby},
		"the database is away":          {led{err: errors.New("away")}, false, 0, pollStandby},
		"it is away, and someone waits": {led{err: errors.New("away")}, true, 0, pollStandby},
	} {
		p := &publisher{Config: Config{Log: test.log, Waited: func() bool { return test.waited }}}
		if got := p.idle(t.Context(), test.idle); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
