package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// outputPatience is how long the output of a program that has ended is waited
// for, where something that has left the group holds it open.
const outputPatience = 2 * time.Second

// process is a program that runs.
type process struct {
	group   *group
	command *exec.Cmd
	stdin   *os.File
	said    lastLine

	chunks  chan chunk // to be written, without room; closing it closes the standard input
	closing sync.Once
	buffers [2][]byte // one is being written while the other is filled
	turn    int
	broken  chan struct{} // closed when nothing can be written any more
	ended   chan struct{} // closed when it has ended and all that it said was taken
}

// start starts the program, whose acknowledgements the ledger takes.
func start(config Config, l *ledger) (*process, error) {
	group, err := newGroup(config.Grace)
	if err != nil {
		return nil, err
	}
	p := &process{group: group, chunks: make(chan chunk), broken: make(chan struct{}), ended: make(chan struct{})}
	stdout, stderr, err := p.startCommand(config.Command)
	if err != nil {
		p.group.end()
		return nil, err
	}
	var outputs sync.WaitGroup
	outputs.Go(func() { takeLines(stdout, l, func() { p.group.signal(syscall.SIGTERM) }) })
	outputs.Go(func() { p.said.copy(config.Stderr, stderr) })
	go p.write(l)
	go func() {
		_ = p.command.Wait() // its ProcessState says how it ended
		p.group.end()
		deadline := time.Now().Add(outputPatience)
		_, _ = stdout.SetReadDeadline(deadline), stderr.SetReadDeadline(deadline)
		outputs.Wait()
		closeAll(stdout, stderr, p.stdin)
		close(p.ended)
	}()
	return p, nil
}

// startCommand starts the program in its group.
func (p *process) startCommand(command string) (stdout, stderr *os.File, err error) {
	var ours, theirs [3]*os.File // standard input, output and error
	for i := range ours {
		r, w, pipeErr := os.Pipe()
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
		err = errors.Join(err, pipeErr)
	}
	defer closeAll(theirs[:]...)
	if err == nil {
		p.command = exec.Command("/bin/sh", "-c", command) //nolint:noctx // it is ended gently, see stop
		p.command.Stdin, p.command.Stdout, p.command.Stderr = theirs[0], theirs[1], theirs[2]
		p.command.SysProcAttr = p.group.member()
		err = p.command.Start()
	}
	if err != nil {
		closeAll(ours[:]...)
		return nil, nil, err
	}
	p.stdin = ours[0]
	return ours[1], ours[2], nil
}

// closeAll closes files of which nothing is wanted any more.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// write writes chunks into the pipe until there are no more, or it breaks.
func (p *process) write(l *ledger) {
	defer close(p.broken)
	defer func() { _ = p.stdin.Close() }()
	for c := range p.chunks {
		l.hand(c.events) // before the program can acknowledge them
		if _, err := p.stdin.Write(c.lines); err != nil {
			return // how it ended says more
		}
	}
}

// buffer returns an empty one that is not being written.
func (p *process) buffer() []byte { return p.buffers[p.turn][:0] }

// handed says that the writer has taken a chunk made in the buffer, so that it
// has written the one before it.
func (p *process) handed(c chunk) {
	if p.buffers[p.turn] = c.lines; cap(c.lines) > 16*chunkBytes {
		p.buffers[p.turn] = nil // one that is hardly ever needed so large
	}
	p.turn = 1 - p.turn
}

// stop closes the program's standard input and returns once it has ended, by
// itself or by force.
func (p *process) stop(grace time.Duration) {
	p.closing.Do(func() { close(p.chunks) })
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-p.ended:
			return
		case <-time.After(grace):
			p.group.signal(s)
		}
	}
	<-p.ended
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// how says how it has ended, and the last that it said.
func (p *process) how() string {
	state := p.command.ProcessState.String()
	if said := p.said.String(); said != "" {
		return fmt.Sprintf("%s; the last it said on standard error: %s", state, said)
	}
	return state
}

// cannotRun reports whether the shell has found no program, or none that it may
// run.
func (p *process) cannotRun() bool {
	status := p.command.ProcessState.ExitCode()
	return status == 126 || status == 127
}
