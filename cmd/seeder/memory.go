package main

import (
	"os"
	"runtime/debug"
)

// memoryGoal is the memory that the collector of garbage keeps a seeder to, as far as
// what is in use leaves it a choice, in bytes.
const memoryGoal = 128 << 20

// saveMemory lets garbage grow as Go does by default as long as there is little of it,
// unless whoever runs the seeder has said how much there may be.
func saveMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
}
