//go:build unix

package testrabbit

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

//go:embed read.py
var reader string

//go:embed stream.py
var streamReader string

// Message is a message as pika, a client in another language than the publisher's, reads it.
type Message struct {
	RoutingKey  string            `json:"routing_key"`
	Headers     map[string]string `json:"headers"` // a header that is no string fails the test
	ContentType string            `json:"content_type"`
	Persistent  bool              `json:"persistent"`
	Redelivered bool              `json:"redelivered"`
	Body        []byte            `json:"body"`
}

// Until is where a reader stops. Zero means after the messages that the queue holds at the beginning.
type Until struct {
	Messages int    // so many were read
	Position uint64 // a message of this position, or a later one, was read
}

// Read consumes a queue, in its order and with acknowledgements, and returns the messages. It waits
// at most a minute for each message.
func Read(t testing.TB, url, queue string, until Until) []Message {
	t.Helper()
	return run(t, reader, url, queue, fmt.Sprint(until.Messages), fmt.Sprint(until.Position))
}

// ReadStream returns the messages of a stream, read over AMQP 0-9-1 at the URL of the vhost.
func (n *Node) ReadStream(t testing.TB, vhost, url, stream string) []Message {
	t.Helper()
	last := n.StreamEnd(t, vhost, stream)
	if last < 0 {
		return nil
	}
	return run(t, streamReader, url, stream, fmt.Sprint(last))
}

// run runs a reader.
func run(t testing.TB, program string, arguments ...string) []Message {
	t.Helper()
	command := exec.CommandContext(t.Context(), need.Tool(t, "pika"), append([]string{"-c", program}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	lines, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	messages, decodeErr := decode(lines)
	_, _ = io.Copy(io.Discard, lines) // so that the reader gets to its end
	if err := errors.Join(command.Wait(), decodeErr); err != nil {
		t.Fatalf("read %s: %v\n%s", arguments, err, stderr.Bytes())
	}
	return messages
}

func decode(lines io.Reader) (messages []Message, err error) {
	for decoder := json.NewDecoder(lines); ; {
		var m Message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return messages, nil
		} else if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
}
