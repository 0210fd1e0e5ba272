//go:build unix

// Package entities_test has writers of several processes append to the same entities,
// kills them and the database, gives entities to a feed meanwhile, and sees that versions
// are 1 to n, that no update was lost and that each id was appended once.
//
// EVENTFEED_TEST_LONG=1 makes them do fifty times as much, on a history of 500,000 events:
//
//	EVENTFEED_TEST_LONG=1 test/postgres go test -v -timeout 2h ./test/entities
package entities_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// long reports whether the tests are to take long.
func long() bool { return os.Getenv("EVENTFEED_TEST_LONG") != "" }

// scaled is n, or fifty times as much.
func scaled(n int) int {
	if long() {
		return 50 * n
	}
	return n
}

const jobVar = "EVENTFEED_TEST_WRITERS"

// TestMain is writers, if it is told what to append.
func TestMain(m *testing.M) {
	text := os.Getenv(jobVar)
	if text == "" {
		os.Exit(m.Run())
	}
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.run(context.Background())
	}
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
}

// job is what one process does.
type job struct {
	Name         string // of the process
	Database     string
	Feed         string
	Entities     int
	Writers      int
	Transactions int // of each writer; 0: until it is stopped
	Expecting    int // of 10 transactions that expect versions
	Prepares     bool
	Seed         uint64
}

// process is writers at work.
type process struct {
	job
	command *exec.Cmd
	stdin   io.Closer     // until it is closed, a process without a number of transactions goes on
	ended   chan struct{} // it says nothing more
	fault   string        // what it found wrong
}

// record is what all processes say that is committed.
type record struct {
	mu     sync.Mutex
	events map[string]acknowledged // by id
	lines  int
	live   int // processes
	moved  *sync.Cond
}

// acknowledged is an event whose commit a process has heard of.
type acknowledged struct {
	subject  string
	expected int64 // version of its entity before it; -1: any
}

func newRecord() *record {
	r := &record{events: map[string]acknowledged{}}
	r.moved = sync.NewCond(&r.mu)
	return r
}

// waitFor waits until this many lines have come, or no process is left.
func (r *record) waitFor(lines int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.lines < lines && r.live > 0 {
		r.moved.Wait()
	}
}

func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines
}

// start starts a process, whose lines go to the record.
func start(t *testing.T, r *record, j job) *process {
	t.Helper()
	text, err := json.Marshal(j)
	must.OK(t, err)
	p := &process{job: j, ended: make(chan struct{})}
	p.command = exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	p.command.Env = append(os.Environ(), jobVar+"="+string(text))
	p.command.Stderr = os.Stderr
	p.stdin, err = p.command.StdinPipe()
	must.OK(t, err)
	out, err := p.command.StdoutPipe()
	must.OK(t, err)
	must.OK(t, p.command.Start())
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	r.add(1)
	go func() {
		defer close(p.ended)
		defer r.add(-1)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.note(p, lines.Text())
		}
	}()
	return p
}

func (r *record) add(processes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live += processes
	r.moved.Broadcast()
}

func (r *record) note(p *process, line string) {
	var id, subject string
	var expected int64
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := fmt.Sscanf(line, "+ %s %s %d", &id, &subject, &expected); err != nil {
		p.fault = line
		return
	}
	r.events[id] = acknowledged{subject, expected}
	r.lines++
	r.moved.Broadcast()
}

// kill kills a process with SIGKILL. It must not have ended by itself.
func (p *process) kill(t *testing.T) {
	t.Helper()
	must.OK(t, p.command.Process.Signal(syscall.SIGKILL))
	<-p.ended
	if err := p.command.Wait(); err == nil || p.command.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("process %s ended before it was killed: %v %s", p.Name, err, p.fault)
	}
}

// stop has a process end its work that goes on until it is stopped.
func (p *process) stop(t *testing.T) {
	t.Helper()
	must.OK(t, p.stdin.Close())
	p.wait(t)
}

// wait waits for the end of a process's work.
func (p *process) wait(t *testing.T) {
	t.Helper()
	<-p.ended
	if err := p.command.Wait(); err != nil || p.fault != "" {
		t.Errorf("process %s: %v %s", p.Name, err, p.fault)
	}
}

// run has each writer do its transactions.
func (j job) run(ctx context.Context) error {
	ended, stopped := make(chan error), make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stopped)
	}()
	for n := range j.Writers {
		w := &writer{job: j, stopped: stopped, name: fmt.Sprintf("%s.%d", j.Name, n), random: rand.New(rand.NewPCG(j.Seed, uint64(n)))}
		go func() { ended <- w.run(ctx) }()
	}
	for range j.Writers {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

// acknowledge says that a decision's events are committed, in one write.
func acknowledge(d *decision) {
	var lines strings.Builder
	for i, id := range d.ids {
		expected := int64(-1)
		if d.expected != nil {
			expected = d.expected[i/d.each] + int64(i%d.each)
		}
		fmt.Fprintf(&lines, "+ %s %s %d\n", id, d.subjects[i/d.each], expected)
	}
	fmt.Print(lines.String())
}

// startPublisher runs sequencer and sealer until the end of the test.
func startPublisher(t *testing.T, l *store.Log) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- publish.Run(ctx, publish.Config{Log: l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Duration(scaled(2)) * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}
