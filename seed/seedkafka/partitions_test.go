//go:build unix

package seedkafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

func TestSeveralPartitionsKeepTheOrderOfEachKey(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 3)
	p := start(t, newLog(node, topic), logtest.Feed)
	p.publishTo(50)
	marker := broker.Marker(logtest.Messages(2, 29, 30)[0].Place())
	must.OK(t, p.Append(t.Context(), []broker.Message{marker}))
	must.OK(t, p.Append(t.Context(), logtest.Messages(2, 30, 70)))

	p = start(t, newLog(node, topic), logtest.Feed)
	if p.position != 70 {
		t.Fatalf("the end is at %d", p.position)
	}
	earlier, err := p.Earlier(t.Context())
	must.OK(t, err)
	for i, place := range earlier {
		if place.Position >= 70 || i > 0 && place.Position <= earlier[i-1].Position || place.Generation == 1 && place.Position > 30 {
			t.Errorf("earlier place %+v", place)
		}
	}
	if n := len(earlier); n < 6 || earlier[n-1].Position < 66 {
		t.Errorf("earlier places %+v", earlier)
	}
	wantPartitions(t, node, topic)
}

// wantPartitions checks what kcat reads: each key is in the partition of the client's own, messages of
// a partition in the feed's order, and the marker in each partition between both generations.
func wantPartitions(t *testing.T, node *testkafka.Node, topic string) {
	t.Helper()
	of, count, last := make(map[string]int), 0, make(map[int]string)
	for _, m := range node.Read(t, topic) {
		at := fmt.Sprintf("%s:%4s", m.Headers["ce_efgeneration"], m.Headers["ce_efposition"])
		if at <= last[m.Partition] {
			t.Errorf("partition %d has %s after %s", m.Partition, at, last[m.Partition])
		}
		if m.Headers["ce_efgeneration"] == "2" && last[m.Partition] != "" && last[m.Partition][0] == '1' && m.Headers["ce_type"] != broker.MarkerType {
			t.Errorf("partition %d has no marker before %s", m.Partition, at)
		}
		last[m.Partition] = at
		if m.Headers["ce_type"] == broker.MarkerType {
			continue
		}
		count++
		if subject := m.Headers["ce_subject"]; subject != "" && m.Key != subject || subject == "" && m.Key != logtest.Feed.ID {
			t.Errorf("key %q of %s with subject %q", m.Key, at, subject)
		}
		if before, known := of[m.Key]; known && before != m.Partition {
			t.Errorf("key %q is in partitions %d and %d", m.Key, before, m.Partition)
		}
		of[m.Key] = m.Partition
	}
	if count != 90 || len(last) != 3 {
		t.Errorf("%d messages in %d partitions", count, len(last))
	}
	wantUsualPartitions(t, node, of)
}

// wantUsualPartitions checks that another producer would put the keys into the same partitions.
func wantUsualPartitions(t *testing.T, node *testkafka.Node, of map[string]int) {
	t.Helper()
	topic := node.Topic(t, 3)
	client := node.Client(t, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(kgo.KafkaHasher(murmur2))))
	for key, partition := range of {
		r := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(key)})
		must.OK(t, r.FirstErr())
		if got := r[0].Record.Partition; int(got) != partition {
			t.Errorf("key %q is in partition %d, want %d", key, partition, got)
		}
	}
}

// murmur2 is the hash of Kafka's own clients, as org.apache.kafka.common.utils.Utils has it.
func murmur2(data []byte) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

func TestAPublisherThatWasOvertakenWaitsBeforeItEnds(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	older := start(t, seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{Fenced: time.Hour}), logtest.Feed)
	older.publishTo(3)
	newer := start(t, newLog(node, topic), logtest.Feed)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := older.Append(ctx, logtest.Messages(1, 3, 5)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, seed.ErrMoved) {
		t.Errorf("%v", err)
	}
	newer.publishTo(6)
	var positions []int
	for _, m := range read(t, node, topic) {
		n, err := strconv.Atoi(m.Attributes["efposition"])
		must.OK(t, err)
		positions = append(positions, n)
	}
	if !slices.Equal(positions, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v", positions)
	}
}

// The largest event that a feed has fits, if the topic takes it.
func TestALargeEventIsPublished(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1, "max.message.bytes=8500000", "compression.type=uncompressed")
	p := start(t, newLog(node, topic), logtest.Feed)
	all := logtest.Messages(1, 0, 4)
	for i := range all[:3] {
		all[i].Data = make([]byte, 8<<20)
	}
	must.OK(t, p.Append(t.Context(), all))
	if got := read(t, node, topic); len(got) != 4 || len(got[2].Data) != 8<<20 {
		t.Errorf("%d messages", len(got))
	}
}
