//go:build unix

package testrabbit

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// One node for all of it: a start is what costs.
func TestANodeServesClientsAndKeepsWhatItConfirmedThroughAKill(t *testing.T) {
	t.Parallel()
	n := Own(t)
	vhost, url := n.VHost(t)
	publish(t, url, "orders", 3)
	if got := n.Messages(t, vhost, "orders"); got != "3" {
		t.Errorf("the queue holds %s messages before the kill, want 3", got)
	}
	n.Kill()
	if _, err := amqp.Dial(url); err == nil {
		t.Error("a killed node accepts a connection")
	}
	n.Restart(t)

	t.Run("confirmed messages are there, in order", func(t *testing.T) {
		got := Read(t, url, "orders", Until{})
		if len(got) != 3 {
			t.Fatalf("%d messages, want 3", len(got))
		}
		for i, m := range got {
			position := strconv.Itoa(i + 1)
			if m.RoutingKey != "orders" || !m.Persistent || m.ContentType != "text/plain" || m.Headers["cloudEvents:efposition"] != position || string(m.Body) != "\x00body "+position {
				t.Errorf("message %s: %+v", position, m)
			}
		}
	})
	t.Run("a reader ends after a position, and the rest stays", func(t *testing.T) {
		publish(t, url, "orders", 5)
		if got := Read(t, url, "orders", Until{Position: 2}); len(got) != 2 {
			t.Errorf("%d messages up to position 2", len(got))
		}
		if got := Read(t, url, "orders", Until{Messages: 2}); len(got) != 2 || got[0].Headers["cloudEvents:efposition"] != "3" {
			t.Errorf("then: %+v", got)
		}
		if got := Read(t, url, "orders", Until{}); len(got) != 1 || got[0].Redelivered == false {
			t.Errorf("at the end: %+v", got)
		}
		if got := Read(t, url, "orders", Until{}); len(got) != 0 {
			t.Errorf("after the end: %+v", got)
		}
	})
	t.Run("a user has its rights and no others", func(t *testing.T) {
		user, password := n.User(t, vhost, "", `^orders\.x$`, "")
		connection, err := amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}})
		must.OK(t, err)
		defer func() { _ = connection.Close() }()
		channel, err := connection.Channel()
		must.OK(t, err)
		if _, err := channel.QueueDeclare("mine", true, false, false, false, nil); err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") {
			t.Errorf("a user without the right to configure declares a queue: %v", err)
		}
		if _, err := amqp.DialConfig(url, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: "wrong"}}}); err == nil {
			t.Error("a wrong password is accepted")
		}
	})
	t.Run("TLS is the authority's", func(t *testing.T) {
		secure := "amqps://" + n.AddressTLS() + "/" + vhost
		connection, err := amqp.DialTLS(secure, &tls.Config{RootCAs: n.Authority.Pool(), MinVersion: tls.VersionTLS12})
		must.OK(t, err)
		must.OK(t, connection.Close())
		if _, err := amqp.DialTLS(secure, nil); err == nil {
			t.Error("a client that does not know the authority connects")
		}
	})
	t.Run("an alarm blocks publishers until it is over", func(t *testing.T) {
		connection, err := amqp.Dial(url)
		must.OK(t, err)
		defer func() { _ = connection.Close() }()
		blocked := connection.NotifyBlocked(make(chan amqp.Blocking, 2))
		channel, err := connection.Channel()
		must.OK(t, err)
		n.SetDiskAlarm(t, true)
		must.OK(t, channel.PublishWithContext(t.Context(), "", "orders", false, false, amqp.Publishing{}))
		for _, want := range []bool{true, false} {
			select {
			case got := <-blocked:
				if got.Active != want {
					t.Errorf("told %+v, want %v", got, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("not told within a minute that blocked is %v", want)
			}
			n.SetDiskAlarm(t, false)
		}
	})
	t.Run("rabbitmqctl reaches the node", func(t *testing.T) {
		if got := n.Ctl(t, "list_vhosts", "--no-table-headers"); !strings.Contains(got, vhost+"\n") {
			t.Errorf("vhosts: %q", got)
		}
	})
}

// publish publishes persistent messages of positions 1, 2, … to a durable queue, which it makes where it
// is missing, and waits until the broker has confirmed them all.
func publish(t *testing.T, url, queue string, messages int) {
	t.Helper()
	connection, err := amqp.Dial(url)
	must.OK(t, err)
	defer func() { _ = connection.Close() }()
	channel, err := connection.Channel()
	must.OK(t, err)
	must.OK(t, channel.Confirm(false))
	_, err = channel.QueueDeclare(queue, true, false, false, false, nil)
	must.OK(t, err)
	for i := range messages {
		position := strconv.Itoa(i + 1)
		confirmation, err := channel.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, ContentType: "text/plain",
			Headers: amqp.Table{"cloudEvents:efposition": position}, Body: []byte("\x00body " + position),
		})
		must.OK(t, err)
		acknowledged, err := confirmation.WaitContext(t.Context())
		must.OK(t, err)
		if !acknowledged {
			t.Fatalf("message %s is refused", position)
		}
	}
}

// ofKilled makes this test binary the one that is killed.
const ofKilled = "EVENTFEED_TEST_KILLED_WITH_RABBITMQ"

func TestNothingOfANodeOutlivesATestBinaryThatIsKilled(t *testing.T) {
	t.Parallel()
	need.Tool(t, "rabbitmq")
	if os.Getenv(ofKilled) != "" {
		n := Start(t)
		if again := Start(t); again != n {
			t.Error("a second node was started")
		}
		fmt.Println("node", n.group.ID(), n.folder)
		select {} // until it is killed
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), ofKilled+"=1")
	out, err := command.StdoutPipe()
	must.OK(t, err)
	must.OK(t, command.Start())
	var group int
	var folder string
	for lines := bufio.NewScanner(out); group == 0; {
		if !lines.Scan() {
			t.Fatalf("the test binary ended: %v", command.Wait())
		}
		_, _ = fmt.Sscanf(lines.Text(), "node %d %s", &group, &folder)
	}
	programs := testprocess.With(t, folder)
	for _, program := range []string{"epmd", "beam.smp", "erl_child_setup"} {
		if !strings.Contains(strings.Join(programs, " "), program) {
			t.Errorf("there is no %s among the node's processes %q", program, programs)
		}
	}
	must.OK(t, command.Process.Kill())
	_ = command.Wait()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		programs = testprocess.With(t, folder)
		_, err := os.Stat(folder)
		if len(programs) == 0 && !testprocess.Alive(group) && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute after the kill there are processes %q, and folder %s: %v", programs, folder, err)
		}
	}
}
