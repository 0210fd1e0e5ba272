//go:build unix

package testprocess

import "testing"

// TestAPortIsGivenOnce, although nothing listens on it: the server of the first one may be down.
func TestAPortIsGivenOnce(t *testing.T) {
	t.Parallel()
	first := FreePorts(t, 3)
	if reserve(t, first, 1) || reserve(t, first+2, 1) || reserve(t, first-1, 2) {
		t.Error("a port was given again")
	}
}
