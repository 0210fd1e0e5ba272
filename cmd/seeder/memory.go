package main

import (
	"os"
	"runtime/debug"
)

// memoryGoal is the soft memory limit of the garbage collector, in bytes.
const memoryGoal = 128 << 20

// saveMemory sets the soft memory limit, unless the user has set one.
func saveMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
}
