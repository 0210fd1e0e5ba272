// Package nearest suggests the known name that is closest to a misspelt one.
package nearest

import (
	"slices"

	"github.com/agnivade/levenshtein"
)

// Name returns the known name that is closest to a name, by the letters that have
// to be changed. It is empty if none is close.
func Name(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	distance := func(other string) int {
		if isSwap(name, other) {
			return 1
		}
		return levenshtein.ComputeDistance(name, other)
	}
	closest := slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	if distance(closest) > max(1, (max(len(name), len(closest))+1)/3) {
		return ""
	}
	return closest
}

// isSwap reports whether two names are the same but for two neighbouring letters that
// have changed places.
func isSwap(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) - 1 {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}

// Question asks, to be put behind an error's text, whether a known name was meant: as
// "; did you mean orders?". It is empty if none is close.
func Question(name string, known []string) string {
	if closest := Name(name, known); closest != "" {
		return "; did you mean " + closest + "?"
	}
	return ""
}
