package cmd_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testdb"
)

// passwords NAME PASSWORD starts a PostgreSQL server until the end of the
// script that lets its user postgres in with this password only, and sets the
// variable NAME to its URL, without the password.
func passwords(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		s := newPasswordServer(ts, testdb.PostgresBin(t))
		ts.Check(os.WriteFile(filepath.Join(s.dir, "password"), []byte(arguments[1]+"\n"), 0o644))
		ts.Check(s.run("initdb", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8", "--no-locale", "--no-sync"))
		ts.Defer(func() { _ = s.run("pg_ctl", "stop", "-m", "immediate", "-s") })
		var err error
		for range 10 { // only starting shows whether a port is free
			port := 20000 + rand.IntN(12000)
			if err = s.run("pg_ctl", "start", "-s", "-w", "-l", "log", "-o", serverOptions+" -p "+strconv.Itoa(port)); err == nil {
				ts.Setenv(arguments[0], fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port))
				return
			}
		}
		ts.Fatalf("start PostgreSQL: %v", err)
	}
}

const serverOptions = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c dynamic_shared_memory_type=mmap -c fsync=off"

// passwordServer is a PostgreSQL server of a test's own.
type passwordServer struct {
	bin, dir   string
	credential *syscall.Credential // nil means our own
}

// newPasswordServer makes the server's folder. PostgreSQL refuses to run as
// root, so its package's user gets it then.
func newPasswordServer(ts *testscript.TestScript, bin string) *passwordServer {
	dir, err := os.MkdirTemp("", "eventfeed-passwords.")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	s := &passwordServer{bin: bin, dir: dir}
	if os.Getuid() == 0 {
		owner, err := user.Lookup("postgres")
		if err != nil {
			owner, err = user.Lookup("nobody")
		}
		ts.Check(err)
		uid, err := strconv.Atoi(owner.Uid)
		ts.Check(err)
		gid, err := strconv.Atoi(owner.Gid)
		ts.Check(err)
		ts.Check(os.Chown(dir, uid, gid))
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return s
}

// run runs one of the server's programs on its data. What it prints goes to a
// file: the server that it leaves behind would hold a pipe open.
func (s *passwordServer) run(program string, arguments ...string) error {
	out, err := os.Create(filepath.Join(s.dir, program+".out"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	command := exec.Command(filepath.Join(s.bin, program), append([]string{"-D", filepath.Join(s.dir, "data")}, arguments...)...)
	command.Dir, command.Stdout, command.Stderr = s.dir, out, out
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") {
			command.Env = append(command.Env, v)
		}
	}
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w\n%s", program, err, said)
	}
	return nil
}
