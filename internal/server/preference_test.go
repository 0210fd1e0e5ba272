package server

import (
	"net/http"
	"testing"
	"time"
)

func TestPreferenceIsReadToTheLetter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fields []string
		want   time.Duration
		found  bool
	}{
		{nil, 0, false},
		{[]string{""}, 0, false},
		{[]string{"wait=5"}, 5 * time.Second, true},
		{[]string{"WAIT = 5"}, 5 * time.Second, true},
		{[]string{`wait="5"`}, 5 * time.Second, true},
		{[]string{"wait=5; x=y"}, 5 * time.Second, true},
		{[]string{"respond-async, ,wait=5,handling=lenient"}, 5 * time.Second, true},
		{[]string{"respond-async", "wait=5"}, 5 * time.Second, true},
		{[]string{"wait=5", "wait=9"}, 5 * time.Second, true}, // the first counts, section 2
		{[]string{"wait=x, wait=9"}, 0, false},
		{[]string{"wait, wait=9"}, 0, false},
		{[]string{`foo="a, wait=9, b", wait=5`}, 5 * time.Second, true},
		{[]string{`foo="a\", wait=9, b", wait=5`}, 5 * time.Second, true},
		{[]string{"foo; wait=9"}, 0, false}, // a parameter of another preference
		{[]string{"waiting=5"}, 0, false},
		{[]string{"wait=-5"}, 0, false},
		{[]string{"wait=1.5"}, 0, false},
		{[]string{"wait=99999999999999999999"}, (1<<31 - 1) * time.Second, true},
	} {
		got, found := preferredWait(http.Header{"Prefer": test.fields})
		if got != test.want || found != test.found {
			t.Errorf("Prefer %q: %v %v", test.fields, got, found)
		}
	}
}
