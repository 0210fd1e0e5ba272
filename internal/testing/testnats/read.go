//go:build unix

package testnats

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

//go:embed read.py
var reader string

// Message is a message of a stream as a reader gets it that shares no code with the publisher: a script
// in Python that speaks the protocol itself.
type Message struct {
	Subject  string            `json:"subject"`
	Sequence uint64            `json:"sequence"`
	Headers  map[string]string `json:"headers"`
	Body     []byte            `json:"body"`
}

// Attributes returns the CloudEvents attributes of the message, decoded.
func (m *Message) Attributes(t testing.TB) map[string]string {
	t.Helper()
	attributes := make(map[string]string)
	for name, value := range m.Headers {
		if name, is := strings.CutPrefix(name, "ce-"); is {
			decoded, err := url.PathUnescape(value)
			must.OK(t, err)
			attributes[name] = decoded
		}
	}
	return attributes
}

// Read returns all messages of a stream.
func (n *Node) Read(t testing.TB, stream string) (messages []Message) {
	t.Helper()
	command := exec.CommandContext(t.Context(), need.Tool(t, "python3"), "-c", reader, n.Address(), stream)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("read stream %s: %v\n%s", stream, err, stderr.Bytes())
	}
	for decoder := json.NewDecoder(&stdout); ; {
		var m Message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return messages
		} else if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
}
