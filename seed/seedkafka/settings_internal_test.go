package seedkafka

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// The brokers of the URL may be on this machine, and tell of others that are not.
func TestAPasswordIsNotSentToABrokerThatTheURLDoesNotName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url, broker string
		plain, sent bool
	}{
		{"kafka://127.0.0.1/t", "broker.example:9092", false, false},
		{"kafka://127.0.0.1/t", "[::1]:9092", false, true},
		{"kafka://127.0.0.1/t", "broker.example:9092", true, true},
	} {
		sent := false
		newLog, _, err := logs(Topic{URL: test.url, Credentials: func() (string, string, error) { return "u", "p", nil }, PlainPassword: test.plain}, options{
			dial: func(context.Context, string, string) (net.Conn, error) {
				sent = true
				return nil, errors.New("no broker")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = newLog().(*log).connect(t.Context(), "tcp", test.broker)
		if _, operator := errors.AsType[*broker.OperatorError](err); sent != test.sent || operator == test.sent {
			t.Errorf("%+v: %t, %v", test, sent, err)
		}
	}
}

// One node cannot have a topic of two replicas.
func TestCheckpointsAreAsReplicatedAsTheMessages(t *testing.T) {
	t.Parallel()
	messages := topic{name: "orders", replicas: 3, leaders: make([]int32, 1)}
	for replicas, refused := range map[int]bool{1: true, 2: true, 3: false, 5: false} {
		checkpoints := topic{name: "checkpoints", replicas: replicas, cleanup: "compact", maxMessage: 1 << 20, leaders: make([]int32, 1)}
		err := checkpoints.checkCheckpoints(&messages)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "could be lost alone") {
			t.Errorf("%d replicas: %v", replicas, err)
		}
	}
}
