package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbagePercent is how much garbage there may be beside what is in use. Go's
// own 100 doubles what the buffers of ten thousand waiting readers take, for
// nothing: a server that waits makes little garbage.
const garbagePercent = 50

// memoryGoal is how many bytes the process may have before garbage is collected
// earlier than that, and given back to the system at once: large events come and go
// faster than Go does so by itself. It is no limit. A server that needs more has more.
const memoryGoal = 160 << 20

// garbageRoom is how many bytes of garbage there may be where more than the goal is in
// use, beside a tenth for what the runtime itself needs.
const garbageRoom = 16 << 20

// goalEvery is how often the goal is looked at.
const goalEvery = 250 * time.Millisecond

// saveMemory collects garbage early until ctx is done, unless whoever runs the
// server has said when to.
func saveMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(garbagePercent)
	debug.SetMemoryLimit(memoryGoal)
	go func() {
		tick := time.NewTicker(goalEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				debug.SetMemoryLimit(max(memoryGoal, inUse()*11/10+garbageRoom))
			case <-ctx.Done():
				return
			}
		}
	}()
}

// inUse returns the bytes that the last collection found in use, and those of
// stacks. With a goal below them Go would do nothing but collect.
func inUse() int64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var bytes uint64
	for _, sample := range samples {
		bytes += sample.Value.Uint64()
	}
	return int64(bytes)
}
