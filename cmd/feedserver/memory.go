package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage there may be beside what is in use. Go's
// own 100 doubles what the buffers of ten thousand waiting readers take, for
// nothing: a server that waits makes little garbage.
const garbagePercent = 50

// saveMemory collects garbage early, unless whoever runs the server has said
// when to.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
