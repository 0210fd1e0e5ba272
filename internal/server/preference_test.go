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
	}{
		{nil, 0},
		{[]string{""}, 0},
		{[]string{"wait=5"}, 5 * time.Second},
		{[]string{"WAIT = 5"}, 5 * time.Second},
		{[]string{`wait="5"`}, 5 * time.Second},
		{[]string{"wait=5; x=y"}, 5 * time.Second},
		{[]string{"respond-async, ,wait=5,handling=lenient"}, 5 * time.Second},
		{[]string{"respond-async", "wait=5"}, 5 * time.Second},
		{[]string{"wait=5", "wait=9"}, 5 * time.Second}, // the first counts, section 2
		{[]string{"wait=x, wait=9"}, 0},
		{[]string{"wait, wait=9"}, 0},
		{[]string{`foo="a, wait=9, b", wait=5`}, 5 * time.Second},
		{[]string{`foo="a\", wait=9, b", wait=5`}, 5 * time.Second},
		{[]string{"foo; wait=9"}, 0}, // a parameter of another preference
		{[]string{"waiting=5"}, 0},
		{[]string{"wait=-5"}, 0},
		{[]string{"wait=1.5"}, 0},
		{[]string{"wait=99999999999999999999"}, (1<<31 - 1) * time.Second},
	} {
		if got := preferredWait(http.Header{"Prefer": test.fields}); got != test.want {
			t.Errorf("Prefer %q: %v", test.fields, got)
		}
	}
}
