package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestASampleHasTheOldestAndTheNewestPagesAndSomeBetweenThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		last, pages int64
		want        string
	}{
		{0, 5, "[]"},
		{1, 1, "[1]"},
		{9, 1, "[9]"},
		{9, 2, "[5 9]"},
		{9, 3, "[1 5 9]"},
		{100, 9, "[1 2 3 19 51 82 98 99 100]"},
		{5, 12, "[1 2 3 4 5]"},
	} {
		if got := fmt.Sprint(choosePages(c.last, c.pages)); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.pages, c.last, got, c.want)
		}
	}
	for last := range int64(40) {
		for pages := int64(1); pages < 40; pages++ {
			chosen := choosePages(last, pages)
			distinct := slices.Compact(slices.Sorted(slices.Values(chosen)))
			if int64(len(chosen)) != min(last, pages) || !slices.Equal(chosen, distinct) || len(chosen) > 0 && (chosen[0] < 1 || chosen[len(chosen)-1] != last) {
				t.Errorf("%d of %d: %v", pages, last, chosen)
			}
		}
	}
}
