//go:build unix

package testkafka

import (
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestABrokerKeepsItsMessagesAndItsPortWhenItIsKilled(t *testing.T) {
	t.Parallel()
	n := Own(t)
	topic := n.Topic(t, 2)
	record := func(value string) *kgo.Record {
		return &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("ü\n,=")}}}
	}
	client := n.Client(t)
	must.OK(t, client.ProduceSync(t.Context(), record("a"), record("\x00\xff\nb"), record("")).FirstErr())
	address := n.Address()
	n.Restart(t)
	must.OK(t, client.ProduceSync(t.Context(), record("c")).FirstErr())
	all := n.Read(t, topic)
	if len(all) != 4 || n.Address() != address || string(all[1].Value) != "\x00\xff\nb" || all[1].Headers["h"] != "ü\n,=" || all[3].Offset != 3 || all[3].Key != "k" {
		t.Errorf("%+v", all)
	}
	folder := n.folder
	if _, err := os.Stat(n.Partition(topic, all[0].Partition)); err != nil {
		t.Error(err)
	}
	n.Kill()
	n.remove()
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder of the broker is there: %v", err)
	}
}
