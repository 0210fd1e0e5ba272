package testdb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

const bouncerConfig = `
[databases]
* = host=%s port=%s%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
`

// Bouncer starts a PgBouncer in transaction mode in front of a database until the test ends, and
// returns the database's URL through it. Its pools are smaller than those of its clients, so that
// what these do is mixed.
//
// The options are added to how PgBouncer connects to the database, such as
// "client_encoding=LATIN1".
func Bouncer(t testing.TB, database string, options ...string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	program := need.Tool(t, "pgbouncer")
	var stderr []byte
	for range 5 {
		port := testprocess.FreePorts(t, 1)
		if stderr = startBouncer(t, program, u, port, options); stderr != nil {
			continue // someone else has taken the port
		}
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		return u.String()
	}
	t.Fatalf("pgbouncer does not start:\n%s", stderr)
	return ""
}

// startBouncer returns what PgBouncer had to say if it did not start.
func startBouncer(t testing.TB, program string, database *url.URL, port int, options []string) []byte {
	t.Helper()
	folder, err := os.MkdirTemp("", "eventfeed-pgbouncer") //nolint:usetesting // the test's own folder is below one that others may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	users, config := filepath.Join(folder, "users.txt"), filepath.Join(folder, "pgbouncer.ini")
	write(t, users, fmt.Sprintf("%q \"\"\n%q \"\"\n%q \"\"\n%q \"\"\n", Owner, Server, Writer, Entities))
	write(t, config, fmt.Sprintf(bouncerConfig, database.Hostname(), database.Port(), strings.Join(append([]string{""}, options...), " "), port, users))
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, config)
	command.Stderr = &stderr
	command.SysProcAttr = &syscall.SysProcAttr{Credential: ServerUser(t), Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return []byte(err.Error())
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	if answers(port, ended) {
		t.Cleanup(func() {
			_ = command.Process.Kill()
			<-ended
		})
		return nil
	}
	_ = command.Process.Kill()
	<-ended
	return stderr.Bytes()
}

func answers(port int, ended <-chan struct{}) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
}
