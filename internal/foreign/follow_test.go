package foreign

import (
	"testing"
	"time"
)

func TestAnAnswerIsFreshForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cacheControl []string
		age          string
		want         time.Duration
	}{
		{nil, "", 0},
		{[]string{"max-age=60"}, "", time.Minute},
		{[]string{"public, Max-Age=\"60\""}, "", time.Minute},
		{[]string{"public", "max-age=60"}, "20", 40 * time.Second},
		{[]string{"max-age=60"}, "70", 0},
		{[]string{"max-age=60, no-cache"}, "", 0},
		{[]string{"no-store, max-age=60"}, "", 0},
		{[]string{"max-age=soon"}, "", 0},
		{[]string{"max-age=-5"}, "", 0},
		{[]string{"max-age=31536000"}, "", time.Hour},
	} {
		if got := freshFor(test.cacheControl, test.age); got != test.want {
			t.Errorf("%q, age %q: %s, want %s", test.cacheControl, test.age, got, test.want)
		}
	}
}
