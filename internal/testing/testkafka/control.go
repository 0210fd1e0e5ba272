//go:build unix

package testkafka

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Client returns a client of the broker that may do everything, until the test ends.
func (n *Node) Client(t testing.TB, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.Address()), kgo.DisableClientMetrics(), kgo.MetadataMinAge(10 * time.Millisecond)}, options...)...)
	must.OK(t, err)
	t.Cleanup(client.Close)
	return client
}

// Admin administers the broker, until the test ends.
func (n *Node) Admin(t testing.TB) *kadm.Client { t.Helper(); return kadm.NewClient(n.Client(t)) }

// Checkpoints creates the topic eventfeed-checkpoints, once.
func (n *Node) Checkpoints(t testing.TB) {
	t.Helper()
	n.Create(t, "eventfeed-checkpoints", 1, "cleanup.policy=compact")
}

// Topic creates a topic with settings such as "max.message.bytes=2000000", and returns its name.
func (n *Node) Topic(t testing.TB, partitions int, settings ...string) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text()[:10])
	n.Create(t, name, partitions, settings...)
	return name
}

// Create creates a topic with a name and settings, unless it is there.
func (n *Node) Create(t testing.TB, name string, partitions int, settings ...string) {
	t.Helper()
	configs := make(map[string]*string)
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		configs[key] = &value
	}
	admin, ctx := n.Admin(t), context.WithoutCancel(t.Context())
	created, err := admin.CreateTopic(ctx, int32(partitions), 1, configs, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Fatalf("create topic %s: %v %s", name, err, created.ErrMessage)
	}
	n.AwaitTopic(t, name, partitions)
}

// AwaitTopic waits until the broker knows of all partitions of a topic: the controller, which makes
// them, may know them before.
func (n *Node) AwaitTopic(t testing.TB, name string, partitions int) {
	t.Helper()
	admin := n.Admin(t)
	await(t, "topic "+name, func() bool {
		found, err := admin.ListTopics(context.WithoutCancel(t.Context()), name)
		must.OK(t, err)
		all := found[name].Partitions
		return len(all) == partitions && !slices.ContainsFunc(all.Sorted(), func(p kadm.PartitionDetail) bool { return p.Leader < 0 })
	})
}

// await waits until the broker knows something.
func await(t testing.TB, what string, known func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !known(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the broker does not know %s", what)
		}
	}
}

// Set changes settings of a topic.
func (n *Node) Set(t testing.TB, topic string, settings ...string) {
	t.Helper()
	var changes []kadm.AlterConfig
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value})
	}
	answers, err := n.Admin(t).AlterTopicConfigs(t.Context(), changes, topic)
	must.OK(t, err)
	for _, answer := range answers {
		must.OK(t, answer.Err)
	}
	await(t, "the settings of topic "+topic, func() bool {
		found, err := n.Admin(t).DescribeTopicConfigs(t.Context(), topic)
		must.OK(t, err)
		return !slices.ContainsFunc(changes, func(c kadm.AlterConfig) bool {
			return !slices.ContainsFunc(found[0].Configs, func(s kadm.Config) bool { return s.Key == c.Name && s.MaybeValue() == *c.Value })
		})
	})
}

// User makes a user who logs in by SCRAM, and may do nothing.
func (n *Node) User(t testing.TB) (user, password string) {
	t.Helper()
	user, password = "user-"+strings.ToLower(rand.Text()[:10]), rand.Text()
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} { // a request may name a user once
		answers, err := n.Admin(t).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}})
		must.OK(t, err)
		must.OK(t, answers.Error())
	}
	return user, password
}

// Allow gives a user rights.
func (n *Node) Allow(t testing.TB, user string, rights *kadm.ACLBuilder) {
	t.Helper()
	admin := n.Admin(t)
	rights = rights.Allow("User:" + user).AllowHosts()
	answers, err := admin.CreateACLs(t.Context(), rights)
	must.OK(t, err)
	for _, answer := range answers {
		must.OK(t, answer.Err)
	}
	await(t, "the rights of "+user, func() bool {
		found, err := admin.DescribeACLs(t.Context(), kadm.NewACLs().Allow("User:"+user).AllowHosts().AnyResource().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny))
		must.OK(t, err)
		known := 0
		for _, filter := range found {
			must.OK(t, filter.Err)
			known += len(filter.Described)
		}
		return known >= len(answers)
	})
}

// AbortHanging aborts the transactions that are open in topics, as kafka-transactions.sh
// abort does for those that no coordinator knows any more.
func (n *Node) AbortHanging(t testing.TB, topics ...string) {
	t.Helper()
	admin := n.Admin(t)
	set := make(kadm.TopicsSet)
	for _, topic := range topics {
		found, err := admin.ListTopics(t.Context(), topic)
		must.OK(t, err)
		for _, p := range found[topic].Partitions {
			set.Add(topic, p.Partition)
		}
	}
	described, err := admin.DescribeProducers(t.Context(), set)
	must.OK(t, err)
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset < 0 {
			continue
		}
		in := make(kadm.TopicsSet)
		in.Add(p.Topic, p.Partition)
		_, err := admin.WriteTxnMarkers(t.Context(), kadm.TxnMarkers{
			ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: max(0, p.CoordinatorEpoch), Topics: in,
		})
		must.OK(t, err)
	}
}
