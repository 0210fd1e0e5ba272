//go:build unix

package seedkafka_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

// wantOperator checks that an error needs an operator.
func wantOperator(t *testing.T, err error, usage bool, text, next string) (command string) {
	t.Helper()
	mend, is := errors.AsType[*broker.OperatorError](err)
	if !is || mend.Usage != usage || !strings.Contains(err.Error(), text) || !strings.Contains(mend.Next, next) {
		t.Fatalf("%v (%+v), want %q and %q", err, mend, text, next)
	}
	return mend.Next
}

// addConfig is a setting in the command that mends a topic.
var addConfig = regexp.MustCompile(`--entity-name (\S+) --add-config (\S+)$`)

func TestATopicThatCouldLoseThePlaceIsRefusedWithTheCommandThatMendsIt(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	for name, test := range map[string]struct {
		messages, checkpoints []string // settings
		partitions            int      // of the checkpoints
		text, next            string
	}{
		"messages that are compacted":             {[]string{"cleanup.policy=compact"}, nil, 1, "compaction would remove events", "cleanup.policy=delete"},
		"messages that are compacted and deleted": {[]string{"cleanup.policy=compact,delete"}, nil, 1, "compaction would remove events", "cleanup.policy=delete"},
		"checkpoints that are deleted":            {nil, []string{"cleanup.policy=delete"}, 1, "checkpoints could be deleted", "cleanup.policy=compact"},
		"checkpoints that are both":               {nil, []string{"cleanup.policy=compact,delete"}, 1, "checkpoints could be deleted", "cleanup.policy=compact"},
		"checkpoints with fewer replicas in sync": {[]string{"min.insync.replicas=2"}, nil, 1, "could be lost alone", "min.insync.replicas=2"},
		"checkpoints that must be small":          {nil, []string{"max.message.bytes=1000"}, 1, "a checkpoint may be larger", "max.message.bytes=1048576"},
		"checkpoints with more partitions":        {nil, nil, 2, "has 2 partitions, and must have 1", "--delete --topic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := node.Topic(t, 1, test.messages...)
			checkpoints := node.Topic(t, test.partitions, append([]string{"cleanup.policy=compact"}, test.checkpoints...)...)
			l := seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{Checkpoints: checkpoints})
			t.Cleanup(l.Close)
			command := wantOperator(t, l.Open(t.Context(), logtest.Feed), true, test.text, test.next)
			setting := addConfig.FindStringSubmatch(command)
			if setting == nil {
				return
			}
			node.Set(t, setting[1], setting[2])
			must.OK(t, l.Open(t.Context(), logtest.Feed))
		})
	}
}

func TestAMissingTopicIsSaidWithTheCommandThatCreatesIt(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	l := newLog(node, "none")
	t.Cleanup(l.Close)
	wantOperator(t, l.Open(t.Context(), logtest.Feed), true, "topic none does not exist",
		"kafka-topics.sh --bootstrap-server "+node.Address()+" --create --topic none --partitions 1 --replication-factor 1")
	l = seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + node.Topic(t, 1)}, seedkafka.Options{Checkpoints: "other"})
	t.Cleanup(l.Close)
	wantOperator(t, l.Open(t.Context(), logtest.Feed), true, "topic other does not exist",
		"--create --topic other --partitions 1 --replication-factor 1 --config cleanup.policy=compact --config segment.bytes=16777216")
}

func TestOpenChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	password := func() (string, string, error) { return "u", "secret", nil }
	for want, topic := range map[string]seedkafka.Topic{
		"names no topic":                {URL: "kafka://h:1"},
		"the scheme must be kafka":      {URL: "http://h/t"},
		"not a URL":                     {URL: "h:9092"},
		"remove them from the URL":      {URL: "kafka://u:secret@h/t"},
		"has no host":                   {URL: "kafka://a,,b/t"},
		"the URL ends after it":         {URL: "kafka://h/t?x=secret"},
		"at most 249 letters":           {URL: "kafka://h/a%20b"},
		`mechanism "GSSAPI"`:            {URL: "kafka://h/t", Mechanism: "GSSAPI"},
		"cross the network unencrypted": {URL: "kafka://127.0.0.1,h.example/t", Credentials: password},
		"broker [::1: ":                 {URL: "kafka://[::1/t"},
		"broker :9092: has no host":     {URL: "kafka://:9092/t"},
	} {
		_, err := seedkafka.Open(topic)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", topic.URL, err, want)
		}
	}
	for _, topic := range []seedkafka.Topic{
		{URL: "kafka://h.example:1,h2.example/a.b_c-D"},
		{URL: "kafka+tls://h.example/t", Credentials: password},
		{URL: "kafka://localhost,127.0.0.1:5,[::1]/t", Credentials: password},
		{URL: "kafka://h.example/t", Credentials: password, PlainPassword: true, Mechanism: "PLAIN"},
	} {
		if _, err := seedkafka.Open(topic); err != nil {
			t.Error(err)
		}
	}
}

func TestAPlaceIsKeptByTopicAndNotByBroker(t *testing.T) {
	t.Parallel()
	target, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://h:1,i/orders"})
	must.OK(t, err)
	if d := target.Checkpoint().Describe(); d.Name != "topic orders at h:1,i:9092" || d.Sink.PublishesTo != "topic orders" {
		t.Errorf("%+v", d)
	}
}
