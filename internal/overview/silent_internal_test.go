package overview

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/readers"
)

// Whether a reader closed its last connection tells those that have stopped from those that are busy.
func TestASilentReaderIsSaidToHaveStoppedOnlyIfItClosedItsConnection(t *testing.T) {
	t.Parallel()
	behind := int64(7)
	for status, want := range map[int]string{
		statusGone: "It closed its last connection before the answer: probably it was stopped, or was cut off.",
		200:        "or it is busy with what it has fetched.",
	} {
		r := &Reader{Kind: readers.Token, Name: "shipping", Behind: &behind, State: Silent, Follows: true, Status: status, Address: "192.0.2.7"}
		if problems := readerProblems(r); len(problems) != 1 || !strings.HasSuffix(problems[0].Why, want) || problems[0].Where != "on the consumer's host (its last request came from 192.0.2.7)" {
			t.Errorf("status %d: %+v", status, problems)
		}
	}
}
