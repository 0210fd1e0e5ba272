//go:build unix

package testnats

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

func TestAServerKeepsWhatItAcknowledgedThroughAKill(t *testing.T) {
	t.Parallel()
	n := Own(t)
	client := Client(t, n)
	CreateStream(t, client, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	if got := n.Read(t, "S"); len(got) != 0 {
		t.Errorf("an empty stream has %d messages", len(got))
	}
	body := bytes.Repeat([]byte("\x00\r\nx"), 50_000)
	for i := range 300 {
		m := &nats.Msg{Subject: "s.a", Header: nats.Header{"ce-id": {fmt.Sprint("%C3%A9", i)}, "other": {""}}, Data: body[:i*600]}
		if _, err := client.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	n.Kill()
	if _, err := nats.Connect("nats://" + n.Address()); err == nil {
		t.Error("a killed server accepts a connection")
	}
	n.Restart(t)
	all := n.Read(t, "S")
	if len(all) != 300 {
		t.Fatalf("%d messages, want 300", len(all))
	}
	for i, m := range all {
		if m.Subject != "s.a" || m.Sequence != uint64(i+1) || m.Attributes(t)["id"] != fmt.Sprint("é", i) || len(m.Headers) != 2 || !bytes.Equal(m.Body, body[:i*600]) {
			t.Fatalf("message %d: subject %s, sequence %d, headers %q", i, m.Subject, m.Sequence, m.Headers)
		}
	}
}

// ofKilled makes this test binary the one that is killed.
const ofKilled = "EVENTFEED_TEST_KILLED_WITH_NATS"

func TestNothingOfAServerOutlivesATestBinaryThatIsKilled(t *testing.T) {
	t.Parallel()
	need.Tool(t, "nats-server")
	if os.Getenv(ofKilled) != "" {
		n := Start(t)
		if again := Start(t); again != n {
			t.Error("a second server was started")
		}
		fmt.Println("folder", n.folder)
		select {} // until it is killed
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), ofKilled+"=1")
	out, err := command.StdoutPipe()
	must.OK(t, err)
	must.OK(t, command.Start())
	var folder string
	for lines := bufio.NewScanner(out); folder == ""; {
		if !lines.Scan() {
			t.Fatalf("the test binary ended: %v", command.Wait())
		}
		_, _ = fmt.Sscanf(lines.Text(), "folder %s", &folder)
	}
	if got := strings.Join(testprocess.With(t, folder), " "); !strings.Contains(got, "nats-server") {
		t.Errorf("there is no nats-server among %q", got)
	}
	must.OK(t, command.Process.Kill())
	_ = command.Wait()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		programs := testprocess.With(t, folder)
		_, err := os.Stat(folder)
		if len(programs) == 0 && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after the kill there are processes %q, and folder %s: %v", programs, folder, err)
		}
	}
}
