//go:build unix

package testkafka

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Client returns a client of the broker that may do everything, until the test ends.
func (n *Node) Client(t testing.TB, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.Address()), kgo.DisableClientMetrics()}, options...)...)
	must.OK(t, err)
	t.Cleanup(client.Close)
	return client
}

// Admin administers the broker, until the test ends.
func (n *Node) Admin(t testing.TB) *kadm.Client { t.Helper(); return kadm.NewClient(n.Client(t)) }

// Checkpoints creates the topic eventfeed-checkpoints, once.
func (n *Node) Checkpoints(t testing.TB) {
	t.Helper()
	n.create(t, "eventfeed-checkpoints", 1, "cleanup.policy=compact")
}

// Topic creates a topic with settings such as "max.message.bytes=2000000", and returns its name.
func (n *Node) Topic(t testing.TB, partitions int, settings ...string) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text()[:10])
	n.create(t, name, partitions, settings...)
	return name
}

func (n *Node) create(t testing.TB, name string, partitions int, settings ...string) {
	t.Helper()
	configs := make(map[string]*string)
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		configs[key] = &value
	}
	created, err := n.Admin(t).CreateTopic(context.WithoutCancel(t.Context()), int32(partitions), 1, configs, name)
	if err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
		t.Fatalf("create topic %s: %v %s", name, err, created.ErrMessage)
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
	answers, err := n.Admin(t).CreateACLs(t.Context(), rights.Allow("User:"+user).AllowHosts())
	must.OK(t, err)
	for _, answer := range answers {
		must.OK(t, answer.Err)
	}
}
