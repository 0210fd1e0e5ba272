package execsink_test

import (
	"slices"
	"testing"

	"github.com/eventfeed/eventfeed/internal/execsink"
)

// TestProgramGetsNoSecretOfTheSeeders, unless it was named.
func TestProgramGetsNoSecretOfTheSeeders(t *testing.T) {
	t.Parallel()
	all := []string{
		"PATH=/bin", "EVENTFEED_FROM=http://u:secret@h/feeds/f", "EVENTFEED_HEADER=X-Api-Key: secret", "PGPASSWORD=secret",
		"PGPASSFILE=/p", "PGSERVICE=s", "PGSERVICEFILE=/s", "PGSSLKEY=/k", "PGSSLPASSWORD=secret", "PGHOST=h", "MY_EVENTFEED_=x", "EMPTY=",
	}
	for _, test := range []struct{ pass, want []string }{
		{nil, []string{"PATH=/bin", "PGHOST=h", "MY_EVENTFEED_=x", "EMPTY="}},
		{[]string{"PGPASSWORD", "EVENTFEED_HEADER"}, []string{"PATH=/bin", "EVENTFEED_HEADER=X-Api-Key: secret", "PGPASSWORD=secret", "PGHOST=h", "MY_EVENTFEED_=x", "EMPTY="}},
	} {
		if got := execsink.Environment(all, test.pass); !slices.Equal(got, test.want) {
			t.Errorf("passing %v: %v", test.pass, got)
		}
	}
}
