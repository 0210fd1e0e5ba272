package seed

import (
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/foreign"
)

// TestPollIntervalThatWasSaidHoldsForEveryFeed, also where it is the default of
// eventfeed's own.
func TestPollIntervalThatWasSaidHoldsForEveryFeed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ said, ours, theirs time.Duration }{
		{0, DefaultPollInterval, foreign.DefaultInterval},
		{DefaultPollInterval, DefaultPollInterval, DefaultPollInterval},
		{time.Millisecond, time.Millisecond, time.Millisecond},
	} {
		config, err := Config{From: []string{"http://feed.test/"}, Into: NewTarget(unused{}), PollInterval: test.said}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		r, err := newRunner(config)
		if err != nil {
			t.Fatal(err)
		}
		feed := r.feeds[0].source.(*unknownSource)
		if ours, theirs := feed.source.(*nativeSource).follower.Interval, feed.foreign.config.Interval; ours != test.ours || theirs != test.theirs {
			t.Errorf("said %s: %s and %s", test.said, ours, theirs)
		}
	}
}

// unused is a target that nothing is asked of but what it is.
type unused struct{ checkpoint.Backend }

func (unused) Describe() checkpoint.Description { return checkpoint.Description{} }
func (unused) Open(bool) checkpoint.Backend     { return unused{} }
