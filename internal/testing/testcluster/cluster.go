//go:build unix

// Package testcluster makes PostgreSQL servers of a test's own: to stop, to
// kill, to restore and to promote. Only tests import it.
package testcluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Cluster is a data directory with the server that runs on it.
type Cluster struct {
	Port int // that the server was last started on, 0 before
	dir  string
	bin  string
	as   *syscall.Credential // the server's user; nil means ours
}

// settings make a server small, and quick at the cost of what only a crash of
// the machine would show.
const settings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
shared_buffers = 16MB
max_connections = 40
fsync = off
`

// New makes an empty cluster, whose server is not running yet. Server and
// files go when the test ends, or is killed.
func New(t testing.TB) *Cluster {
	t.Helper()
	c := empty(t)
	c.run(t, "initdb", "-D", c.Data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	c.Configure(t, settings)
	return c
}

// Backup makes another cluster from a base backup of this one, whose server
// must be running, by pg_basebackup with these further options.
func (c *Cluster) Backup(t testing.TB, options ...string) *Cluster {
	t.Helper()
	backup := empty(t)
	backup.run(t, "pg_basebackup", append([]string{"-D", backup.Data(), "-d", c.URL(), "-X", "stream", "-c", "fast", "--no-sync"}, options...)...)
	return backup
}

// empty makes a folder for a cluster, and starts what removes it.
func empty(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{bin: need.PostgresBin(t), as: testdb.ServerUser(t)}
	var err error
	if c.dir, err = makeFolder(c.as); err != nil {
		t.Fatalf("make a folder for a cluster: %v", err)
	}
	if err := c.keep(t); err != nil {
		t.Fatalf("start the keeper of %s: %v", c.dir, err)
	}
	return c
}

// makeFolder makes a folder that the server's user may enter, which it may not
// with t.TempDir.
func makeFolder(owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("/tmp", "eventfeed-cluster-")
	if err == nil && owner != nil {
		err = os.Chown(dir, int(owner.Uid), int(owner.Gid))
	}
	return dir, err
}

// keeper ends the server and removes the folder once its standard input ends,
// which happens at the latest with this process.
const keeper = `cat; "$1/pg_ctl" stop -s -D "$0/data" -m immediate 2>/dev/null; cd /; rm -rf "$0"`

func (c *Cluster) keep(t testing.TB) error {
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", keeper, c.dir, c.bin)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setsid: true} // no signal to ours gets at it
	command.Dir = c.dir
	hold, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	t.Cleanup(func() {
		_ = hold.Close()
		_ = command.Wait()
	})
	return nil
}

// Data is the data directory.
func (c *Cluster) Data() string { return filepath.Join(c.dir, "data") }

// Folder makes a folder beside the data directory, for the server to write to.
func (c *Cluster) Folder(t testing.TB, name string) string {
	t.Helper()
	c.command(t, "mkdir", filepath.Join(c.dir, name))
	return filepath.Join(c.dir, name)
}

// URL is that of the database postgres, as superuser.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.Port)
}

// Configure adds settings, which hold from the next start on.
func (c *Cluster) Configure(t testing.TB, settings string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(c.Data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(settings + "\n")
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Execute runs a statement in the database postgres.
func (c *Cluster) Execute(t testing.TB, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Signal makes a file in the data directory that tells the server what to do
// when it starts, such as recovery.signal.
func (c *Cluster) Signal(t testing.TB, name string) {
	t.Helper()
	c.command(t, "touch", filepath.Join(c.Data(), name))
}

// Start starts the server and waits until it takes connections: on the port
// that it had, or else on a free one, which is its own from then on.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	log := filepath.Join(c.dir, "log")
	for range 20 {
		port := c.Port
		if port == 0 {
			port = testprocess.FreePorts(t, 1)
		}
		start := c.prepare(t, filepath.Join(c.bin, "pg_ctl"), "start", "-s", "-w", "-t", "60", "-D", c.Data(), "-l", log, "-o", fmt.Sprintf("-p %d", port))
		out, err := start.CombinedOutput()
		if err == nil {
			c.Port = port
			return
		}
		said, _ := os.ReadFile(log) // no more than a help
		if c.Port != 0 || !bytes.Contains(said, []byte("Address already in use")) {
			t.Fatalf("start the server: %v\n%s\n%s", err, out, said)
		}
		_ = os.Remove(log)
	}
	t.Fatal("no port is free")
}

// MakeRoles makes the users that servers and writers have.
func (c *Cluster) MakeRoles(t testing.TB) {
	t.Helper()
	if err := testdb.MakeRoles(t.Context(), c.URL()); err != nil {
		t.Fatalf("make the tests' roles: %v", err)
	}
}

// Stop stops the server. The mode immediate is a crash.
func (c *Cluster) Stop(t testing.TB, mode string) {
	t.Helper()
	c.run(t, "pg_ctl", "stop", "-s", "-w", "-D", c.Data(), "-m", mode)
}

// Kill kills all processes of the server with SIGKILL.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(c.Data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	c.command(t, "kill", "-STOP", first) // so that it starts no others meanwhile
	pids := append(children(t, first), first)
	c.command(t, "kill", append([]string{"-KILL"}, pids...)...)
	for _, pid := range pids {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if state, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || strings.Contains(string(state), ") Z ") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %s of the server lives on", pid)
			}
		}
	}
	// It may be there as a zombie, which the next server would take for alive.
	c.command(t, "rm", filepath.Join(c.Data(), "postmaster.pid"))
}

// children returns the processes whose parent a process is.
func children(t testing.TB, parent string) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		_, after, _ := strings.Cut(string(stat), ") ") // state and parent
		if fields := strings.Fields(after); err == nil && len(fields) > 1 && fields[1] == parent {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// Promote makes a standby the primary, and waits until it is.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.run(t, "pg_ctl", "promote", "-s", "-w", "-D", c.Data())
}

// run runs one of PostgreSQL's programs.
func (c *Cluster) run(t testing.TB, program string, arguments ...string) {
	t.Helper()
	c.command(t, filepath.Join(c.bin, program), arguments...)
}

func (c *Cluster) command(t testing.TB, program string, arguments ...string) {
	t.Helper()
	if out, err := c.prepare(t, program, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(arguments, " "), err, out)
	}
}

func (c *Cluster) prepare(t testing.TB, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	command.Dir = c.dir
	return command
}
