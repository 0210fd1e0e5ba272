package seedkafka

import (
	"errors"
	"testing"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// TestATopicGetsAnIDWhenItsBrokersAreUpgraded, and is the same topic then.
func TestATopicGetsAnIDWhenItsBrokersAreUpgraded(t *testing.T) {
	t.Parallel()
	const other = "b3RoZXI"
	for _, test := range []struct {
		stored, now string
		lost        bool
	}{
		{"dGhpcw", "dGhpcw", false},
		{noTopicID, "dGhpcw", false},
		{"dGhpcw", noTopicID, false},
		{other, "dGhpcw", true},
	} {
		l := &log{topic: topic{name: "orders", leaders: []int32{1}}}
		l.end = newCheckpoint(broker.Feed{ID: "urn:x", Name: "orders"}, test.now, 1)
		stored := newCheckpoint(broker.Feed{ID: "urn:x", Name: "orders"}, test.stored, 1)
		if err := l.adopt(&stored); errors.Is(err, seed.ErrMismatch) != test.lost || !test.lost && l.end.TopicID != test.now {
			t.Errorf("%+v: %v, then %s", test, err, l.end.TopicID)
		}
	}
}
