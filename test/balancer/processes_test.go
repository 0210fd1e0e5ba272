//go:build linux

package balancer_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// patience is far longer than anything here takes.
const patience = 2 * time.Minute

// build builds the programs as they are shipped, and returns their folder.
func build(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", folder+string(filepath.Separator), "../../cmd/feedserver", "../../cmd/seeder").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return folder
}

// process is a program that runs, until the test ends.
type process struct {
	command *exec.Cmd
	said    *output
	ended   chan struct{}
}

// output is what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func start(t *testing.T, name, program string, arguments ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(program, arguments...), said: new(output), ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = p.said, p.said
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must.OK(t, p.command.Start())
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s: %v\n%.20000s", name, p.command.ProcessState, p.said)
		}
	})
	return p
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	must.OK(t, p.command.Process.Signal(signal))
}

// hasEnded reports whether the process has.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// wantEnd waits for the end of the process, which must be with this status.
func (p *process) wantEnd(t *testing.T, status int) {
	t.Helper()
	select {
	case <-p.ended:
		if got := p.command.ProcessState.ExitCode(); got != status {
			t.Fatalf("%s ended with status %d, want %d:\n%s", p.command, got, status, last(p.said))
		}
	case <-time.After(patience):
		t.Fatalf("%s has not ended, want status %d:\n%s", p.command, status, last(p.said))
	}
}

// last returns the last lines that a process has said.
func last(o *output) string {
	text := o.String()
	return text[max(0, len(text)-3000):]
}

// server starts a server and returns its address.
func server(t *testing.T, bin, name, database string) (*process, string) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testprocess.FreePorts(t, 1))
	p := start(t, name, filepath.Join(bin, "feedserver"), "serve", "--db", database, "--listen", address)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
			return p, address
		}
		if p.hasEnded() || time.Now().After(deadline) {
			t.Fatalf("%s does not serve:\n%s", name, p.said)
		}
	}
}

// seeder is a consumer with a database of its own.
type seeder struct {
	bin, name, from, into string
	process               *process // that follows
}

func (s *seeder) follow(t *testing.T) {
	t.Helper()
	s.process = start(t, s.name, filepath.Join(s.bin, "seeder"), "run", "--follow", "--from", s.from, "--into", s.into)
}

// runOnce reads to the end of the feed, and returns what was said if that ended with another status.
func (s *seeder) runOnce(status int) error {
	command := exec.Command(filepath.Join(s.bin, "seeder"), "run", "--patience", "1m", "--from", s.from, "--into", s.into)
	out, err := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != status {
		return fmt.Errorf("%s: %s ended with status %d, want %d: %w\n%.3000s", s.name, command, got, status, err, out)
	}
	return nil
}

// standing returns a member of what seeder status prints of the only feed.
func (s *seeder) standing(name string) string {
	out, err := exec.Command(filepath.Join(s.bin, "seeder"), "status", "--offline", "--json", "--into", s.into).Output()
	if err != nil {
		return ""
	}
	_, value, _ := strings.Cut(string(out), fmt.Sprintf("%q: ", name))
	value, _, _ = strings.Cut(value, "\n")
	return strings.Trim(value, `",`)
}

// reaches waits until the seeder that follows is at a position.
func (s *seeder) reaches(t *testing.T, position int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.standing("position") != fmt.Sprint(position); time.Sleep(100 * time.Millisecond) {
		if s.process.hasEnded() {
			t.Fatalf("%s ended with %v on its way to position %d:\n%s", s.name, s.process.command.ProcessState, position, last(s.process.said))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is at position %s, want %d:\n%s", s.name, s.standing("position"), position, last(s.process.said))
		}
	}
}

// stops ends the seeder that follows, which must have been well.
func (s *seeder) stops(t *testing.T) {
	t.Helper()
	s.process.signal(t, syscall.SIGTERM)
	s.process.wantEnd(t, 0)
	if strings.Contains(s.process.said.String(), "seeder rewind") {
		t.Errorf("%s told of a rewind, and nothing was lost:\n%s", s.name, last(s.process.said))
	}
}
