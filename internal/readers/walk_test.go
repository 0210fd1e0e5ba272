package readers_test

import (
	"slices"
	"testing"
)

// An archive ends where a reader is that goes forward. To one that goes back from the subscription
// document, and to one that reads an old archive again, it says nothing of where the reader is.
func TestArchiveIsAPositionOnlyOnAWayForward(t *testing.T) {
	t.Parallel()
	const document, waits = 0, -1 // of 1,005 events; all other steps are archives, of ten events each
	const end = 1005
	path := func(from, to int64) (numbers []int64) {
		for ; from <= to; from++ {
			numbers = append(numbers, from)
		}
		return numbers
	}
	back, swapped := path(1, 100), path(1, 100)
	slices.Reverse(back)
	slices.Reverse(swapped)
	for i := 1; i+2 < len(swapped); i += 3 {
		swapped[i], swapped[i+2] = swapped[i+2], swapped[i]
	}
	for name, test := range map[string]struct {
		steps [][]int64
		want  int64
	}{
		"an archive alone":                     {[][]int64{{3}}, 30},
		"back, without the document":           {[][]int64{back}, 1000},
		"forward, without the document":        {[][]int64{{1, 2, 3, 4}}, 40},
		"forward with a gap":                   {[][]int64{{1, 2, 90}}, 900},
		"out of order":                         {[][]int64{{1, 3, 2}}, 30},
		"back":                                 {[][]int64{{document}, back}, end},
		"back again, as far as what it has":    {[][]int64{{document, 90, 89, document, 91, 90}}, end},
		"back, fetched out of order":           {[][]int64{{document}, swapped}, end},
		"one old archive":                      {[][]int64{{document, 50}}, end},
		"two old archives":                     {[][]int64{{document, 3, 50}}, end},
		"old archives while it waits":          {[][]int64{{document, waits, 50, 51}}, end},
		"forward after the document":           {[][]int64{{document, 1, 2, 3}}, 30},
		"forward, fetched out of order":        {[][]int64{{document, 3, 5, 4, 2, 7, 6}}, 70},
		"forward to the end":                   {[][]int64{{document}, path(80, 100), {document}}, end},
		"forward again from the first":         {[][]int64{{document, 1, 2, 3, document, 1, 2}}, 20},
		"forward, an old one, and on":          {[][]int64{{document}, path(40, 60), {3}}, 600},
		"forward, one far ahead, and on":       {[][]int64{{document, 1, 2, 90}, path(3, 40)}, 400},
		"forward, the document in between":     {[][]int64{{document, 20, 21, document, 22, 23}}, 230},
		"forward, and what was late comes now": {[][]int64{{document, 20, 21, 22, 8}}, 220},
	} {
		l, _ := newList()
		v := l.Visit(token("f", "r"), "")
		for _, step := range slices.Concat(test.steps...) {
			switch step {
			case document:
				v.Ask()
				v.Answer("e", 0, end)
			case waits:
				v.Wait("e", end)
			default:
				v.Page("e", step, step*10)
			}
		}
		if r := only(t, l); r.Position != test.want || r.Epoch != "e" {
			t.Errorf("%s: at %d, want %d", name, r.Position, test.want)
		}
	}
}
