//go:build unix

package testrabbit

import (
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Eval evaluates Erlang in the node and returns the result as Erlang writes it. The text ends with a
// full stop. It takes some 10 ms, where rabbitmqctl takes half a second of a core.
func (n *Node) Eval(t testing.TB, erlang string) string {
	t.Helper()
	// A name of its own: the node refuses a second caller with the name of one that it still knows,
	// and those that erl_call makes up (-r) are the same for a second.
	command := n.command(t, "erl_call", "-h", "call-"+rand.Text(), "-n", name, "-e")
	command.Stdin = strings.NewReader(erlang + "\n")
	out, err := command.CombinedOutput()
	result, ok := strings.CutPrefix(string(out), "{ok, ")
	if err != nil || !ok {
		t.Fatalf("evaluate %s: %v\n%s", erlang, err, out)
	}
	return strings.TrimSuffix(strings.TrimSpace(result), "}")
}

// Ctl runs rabbitmqctl for the node and returns its output. It is slow, see [Node.Eval].
func (n *Node) Ctl(t testing.TB, arguments ...string) string {
	t.Helper()
	command := n.command(t, filepath.Join(filepath.Dir(n.server), "rabbitmqctl"), append([]string{"-q", "-n", name}, arguments...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

func (n *Node) command(t testing.TB, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, arguments...)
	command.Dir, command.Env = n.folder, n.environment()
	return command
}

// VHost makes a vhost on which guest may do everything. The URL has no user: clients take guest, whom
// the node accepts from loopback. The vhost goes with the node, so that a test may kill and restart it.
func (n *Node) VHost(t testing.TB) (name, url string) {
	t.Helper()
	name = "test-" + strings.ToLower(rand.Text()[:10])
	n.wantOK(t, fmt.Sprintf(`rabbit_vhost:add(<<"%s">>, <<"test">>).`, name))
	n.permit(t, "guest", name, ".*", ".*", ".*")
	return name, "amqp://" + n.Address() + "/" + name
}

// User makes a user with a password who has rights on a vhost: a regular expression each for the names
// that it may configure, write to and read from; "" is none.
func (n *Node) User(t testing.TB, vhost, configure, write, read string) (user, password string) {
	t.Helper()
	user, password = "user-"+strings.ToLower(rand.Text()[:10]), rand.Text()
	n.wantOK(t, fmt.Sprintf(`rabbit_auth_backend_internal:add_user(<<"%s">>, <<"%s">>, <<"test">>).`, user, password))
	n.permit(t, user, vhost, configure, write, read)
	return user, password
}

func (n *Node) permit(t testing.TB, user, vhost, configure, write, read string) {
	t.Helper()
	n.wantOK(t, fmt.Sprintf(`rabbit_auth_backend_internal:set_permissions(<<"%s">>, <<"%s">>, %s, %s, %s, <<"test">>).`,
		user, vhost, binary(configure), binary(write), binary(read)))
}

// binary writes a text as Erlang.
func binary(text string) string {
	return `<<"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `">>`
}

// Stream makes a stream, with the arguments of its queue, each a text or a number.
func (n *Node) Stream(t testing.TB, vhost, stream string, arguments map[string]any) {
	t.Helper()
	table := []string{`{<<"x-queue-type">>, longstr, <<"stream">>}`}
	for name, value := range arguments {
		switch value := value.(type) {
		case string:
			table = append(table, fmt.Sprintf(`{%s, longstr, %s}`, binary(name), binary(value)))
		default:
			table = append(table, fmt.Sprintf(`{%s, long, %v}`, binary(name), value))
		}
	}
	got := n.Eval(t, fmt.Sprintf(`element(1, rabbit_amqqueue:declare(rabbit_misc:r(%s, queue, %s), true, false, [%s], none, <<"test">>)).`,
		binary(vhost), binary(stream), strings.Join(table, ", ")))
	if got != "new" {
		t.Fatalf("declare stream %s: %s", stream, got)
	}
	// A node that is killed within seconds after its first stream was made does not find streams any
	// more: it writes the name of their coordinator late. A table that is closed meanwhile needs no sync.
	n.wantOK(t, `lists:foreach(fun(Table) -> catch dets:sync(Table) end, dets:all()), ok.`)
}

// StreamEnd returns the last offset of a stream, which may be that of a record of the broker's own; -1 if
// it has none.
func (n *Node) StreamEnd(t testing.TB, vhost, stream string) int {
	t.Helper()
	got := n.Eval(t, fmt.Sprintf(`maps:get(offset, maps:get({osiris_writer, rabbit_misc:r(%s, queue, %s)}, osiris_counters:overview())).`, binary(vhost), binary(stream)))
	last, err := strconv.Atoi(got)
	if err != nil {
		t.Fatalf("stream %s ends at %s", stream, got)
	}
	return last
}

func (n *Node) wantOK(t testing.TB, erlang string) {
	t.Helper()
	if got := n.Eval(t, erlang); got != "ok" {
		t.Fatalf("%s returned %s", erlang, got)
	}
}

// SetDiskAlarm makes the node believe that its disk is nearly full, or has room again. While the alarm
// is on, the node tells its clients that it is blocked, and reads nothing of connections that publish.
func (n *Node) SetDiskAlarm(t testing.TB, on bool) {
	t.Helper()
	limit := "50000000"
	if on {
		limit = "1000000000000000000"
	}
	n.wantOK(t, fmt.Sprintf(`rabbit_disk_monitor:set_disk_free_limit(%s).`, limit))
}

// Messages returns how many messages a queue holds that wait for a consumer.
func (n *Node) Messages(t testing.TB, vhost, queue string) string {
	t.Helper()
	return n.Eval(t, fmt.Sprintf(`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"%s">>, queue, <<"%s">>)), {ok, N, _} = rabbit_amqqueue:stat(Q), N.`, vhost, queue))
}
