package seedkafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// topic is a topic with its settings.
type topic struct {
	name        string
	id          kadm.TopicID
	leaders     []int32 // the broker that leads each partition; -1 if there is none at the moment
	epochs      []int32 // of these leaders, when the end was read; -1 if the broker does not tell
	replicas    int     // of the partition that has the fewest
	inSync      int     // min.insync.replicas
	cleanup     string  // cleanup.policy
	maxMessage  int     // max.message.bytes, or segment.bytes if that is less
	bootstrap   string
	createExtra string // what the command that creates it has beside
}

// inspect reads the settings of both topics, and checks them.
func (l *log) inspect(ctx context.Context) error {
	metadata, err := l.admin.Metadata(ctx, l.to.topic, l.options.checkpoints)
	if err != nil {
		return err
	}
	brokers := len(metadata.Brokers)
	if l.topic, err = l.describe(ctx, metadata, l.to.topic, create(brokers, brokers, "")); err != nil {
		return err
	}
	if l.checkpoints, err = l.describe(ctx, metadata, l.options.checkpoints, create(brokers, l.topic.replicas, compactSettings)); err != nil {
		return err
	}
	if err := l.topic.checkMessages(); err != nil {
		return err
	}
	return l.checkpoints.checkCheckpoints(&l.topic)
}

// compactSettings are those of a topic of checkpoints: small segments, since the newest one is never
// compacted, and a publisher reads it when it starts.
const compactSettings = " --config cleanup.policy=compact --config segment.bytes=16777216"

// create returns the options of kafka-topics.sh that create a topic as replicated as that.
func create(brokers, replicas int, settings string) string {
	replicas = max(1, min(3, brokers, replicas))
	if replicas > 2 {
		settings += " --config min.insync.replicas=2"
	}
	return fmt.Sprintf("--partitions 1 --replication-factor %d%s", replicas, settings)
}

// describe returns a topic.
func (l *log) describe(ctx context.Context, metadata kadm.Metadata, name, create string) (t topic, err error) {
	t = topic{name: name, bootstrap: l.to.servers(), createExtra: create}
	found := metadata.Topics[name]
	if err := found.Err; errors.Is(err, kerr.UnknownTopicOrPartition) || err == nil && len(found.Partitions) == 0 {
		err = t.usage(fmt.Errorf("topic %s does not exist", name), fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s %s", t.bootstrap, name, create))
		return t, err
	} else if err != nil {
		return t, fmt.Errorf("topic %s: %w", name, err)
	}
	t.id = found.ID
	t.leaders, t.epochs = make([]int32, len(found.Partitions)), make([]int32, len(found.Partitions))
	for _, p := range found.Partitions.Sorted() {
		if int(p.Partition) >= len(t.leaders) {
			return t, fmt.Errorf("topic %s: the broker told of partition %d of %d", name, p.Partition, len(t.leaders))
		}
		t.leaders[p.Partition], t.epochs[p.Partition] = p.Leader, p.LeaderEpoch
		if t.replicas == 0 || len(p.Replicas) < t.replicas {
			t.replicas = len(p.Replicas)
		}
	}
	settings, err := l.admin.DescribeTopicConfigs(ctx, name)
	if err == nil {
		var found kadm.ResourceConfig
		if found, err = settings.On(name, nil); err == nil && found.Err == nil {
			err = t.read(found.Configs)
		} else if err == nil {
			err = found.Err
		}
	}
	if err != nil {
		return t, fmt.Errorf("read the settings of topic %s: %w", name, err)
	}
	return t, nil
}

// read reads the settings that matter.
func (t *topic) read(settings []kadm.Config) (err error) {
	number := func(s kadm.Config) (n int) {
		n, e := strconv.Atoi(s.MaybeValue())
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", s.Key, e)
		}
		return n
	}
	segment := 0
	for _, s := range settings {
		switch s.Key {
		case "segment.bytes": // a batch must fit into one
			segment = number(s)
		case "cleanup.policy":
			t.cleanup = s.MaybeValue()
		case "min.insync.replicas":
			t.inSync = number(s)
		case "max.message.bytes":
			t.maxMessage = number(s)
		}
	}
	if err == nil && t.maxMessage == 0 {
		err = errors.New("the broker does not tell max.message.bytes")
	}
	if segment > 0 {
		t.maxMessage = min(t.maxMessage, segment)
	}
	return err
}

func (t *topic) usage(err error, next string) error {
	return &broker.OperatorError{Err: err, Next: next, Usage: true}
}

// set returns the command that changes a setting of the topic.
func (t *topic) set(setting string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s", t.bootstrap, t.name, setting)
}

// checkMessages checks that compaction leaves the messages alone: it would remove all but the last
// one of each key.
func (t *topic) checkMessages() error {
	if strings.Contains(t.cleanup, "compact") {
		return t.usage(fmt.Errorf("topic %s has cleanup.policy=%s: compaction would remove events", t.name, t.cleanup), t.set("cleanup.policy=delete"))
	}
	return nil
}

// checkCheckpoints checks that the last checkpoint stays, as long as the messages do.
func (t *topic) checkCheckpoints(messages *topic) error {
	if n := len(t.leaders); n != 1 {
		return t.usage(fmt.Errorf("topic %s has %d partitions, and must have 1", t.name, n), fmt.Sprintf(
			"if nothing was published yet, create it again: kafka-topics.sh --bootstrap-server %s --delete --topic %s && kafka-topics.sh --bootstrap-server %[1]s --create --topic %[2]s %s", t.bootstrap, t.name, t.createExtra))
	}
	if t.cleanup != "compact" {
		return t.usage(fmt.Errorf("topic %s has cleanup.policy=%s: the checkpoints could be deleted", t.name, t.cleanup), t.set("cleanup.policy=compact"))
	}
	if t.replicas < messages.replicas {
		return t.usage(fmt.Errorf("topic %s has %d replicas, and topic %s has %d: the checkpoints could be lost alone", t.name, t.replicas, messages.name, messages.replicas), fmt.Sprintf(
			"give it %d replicas with: kafka-reassign-partitions.sh --bootstrap-server %s --execute --reassignment-json-file FILE", messages.replicas, t.bootstrap))
	}
	if t.inSync < messages.inSync {
		return t.usage(fmt.Errorf("topic %s has min.insync.replicas=%d, and topic %s has %d: the checkpoints could be lost alone", t.name, t.inSync, messages.name, messages.inSync),
			t.set(fmt.Sprintf("min.insync.replicas=%d", messages.inSync)))
	}
	if need := 16<<10 + 64*len(messages.leaders); t.maxMessage < need {
		return t.usage(fmt.Errorf("topic %s has max.message.bytes=%d: a checkpoint may be larger", t.name, t.maxMessage), t.set(fmt.Sprintf("max.message.bytes=%d", max(need, 1<<20))))
	}
	return nil
}

// maxBatch is the maximum size of a batch of records that the topic takes, in bytes.
func (l *log) maxBatch() int {
	if l.topic.maxMessage == 0 { // before Open has read it
		return maxBatch
	}
	return max(512, min(l.topic.maxMessage, maxBatch))
}
