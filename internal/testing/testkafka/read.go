//go:build unix

package testkafka

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// Message is a message as kcat, a client in another language than the publisher's, reads it.
type Message struct {
	Partition int
	Offset    int64
	Key       string
	Headers   map[string]string // the test fails if a name is there twice
	Value     []byte
}

// Read returns the messages of a topic that are committed, by partition and offset, once no
// transaction is open: for a moment after a commit, it is.
func (n *Node) Read(t testing.TB, topic string) (all []Message) {
	t.Helper()
	n.AwaitCommits(t, topic)
	// kcat's JSON has the headers, but no value that is not UTF-8.
	values := n.values(t, topic)
	for decoder := json.NewDecoder(bytes.NewReader(n.kcat(t, topic, "-J"))); ; {
		var m struct {
			Partition int
			Offset    int64
			Key       string
			Headers   []string
		}
		if err := decoder.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("what kcat says of topic %s: %v", topic, err)
		}
		message := Message{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Headers: make(map[string]string), Value: values[at{m.Partition, m.Offset}]}
		for i := 0; i < len(m.Headers); i += 2 {
			if _, twice := message.Headers[m.Headers[i]]; twice {
				t.Fatalf("header %s is there twice", m.Headers[i])
			}
			message.Headers[m.Headers[i]] = m.Headers[i+1]
		}
		all = append(all, message)
	}
	if len(all) != len(values) {
		t.Fatalf("kcat read %d messages of topic %s with headers and %d with values", len(all), topic, len(values))
	}
	return all
}

// AwaitCommits waits until no transaction is open in a topic. A broker that is killed before can
// forget the transaction.
func (n *Node) AwaitCommits(t testing.TB, topic string) {
	t.Helper()
	admin := n.Admin(t)
	await(t, "the end of a transaction in topic "+topic, func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), topic)
		must.OK(t, err)
		stable, err := admin.ListCommittedOffsets(t.Context(), topic)
		must.OK(t, err)
		return maps.EqualFunc(ends[topic], stable[topic], func(a, b kadm.ListedOffset) bool { return a.Err == nil && b.Err == nil && a.Offset == b.Offset })
	})
}

// at is the place of a message.
type at struct {
	partition int
	offset    int64
}

// values returns the values of the messages.
func (n *Node) values(t testing.TB, topic string) map[at][]byte {
	t.Helper()
	all := make(map[at][]byte)
	for said := bytes.NewBuffer(n.kcat(t, topic, "-f", "%p %o %R%s")); said.Len() > 0; {
		var m at
		_, err := fmt.Fscanf(said, "%d %d ", &m.partition, &m.offset)
		must.OK(t, err)
		size := int32(binary.BigEndian.Uint32(said.Next(4)))
		all[m] = bytes.Clone(said.Next(int(max(0, size)))) // -1 is no value
	}
	return all
}

// kcat reads a topic from its beginning up to the last stable offset.
func (n *Node) kcat(t testing.TB, topic string, format ...string) []byte {
	t.Helper()
	arguments := []string{"-b", n.Address(), "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed", "-X", "check.crcs=true"}
	command := exec.CommandContext(t.Context(), need.Tool(t, "kcat"), append(arguments, format...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	said, err := command.Output()
	if err != nil {
		t.Fatalf("kcat of topic %s: %v\n%s", topic, err, stderr.Bytes())
	}
	return said
}
