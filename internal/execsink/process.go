package execsink

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// outputPatience is how long to wait for the output of a program that has ended, if a process that
// has left the group still holds it open.
const outputPatience = 2 * time.Second

// process is a running program.
type process struct {
	*supervisor
	stdin *os.File
	said  lastLine
	end   ending // valid after ended is closed

	chunks  chan chunk // chunks to write, unbuffered; closing it closes the standard input
	closing sync.Once
	buffers [2][]byte // one is written while the other is filled
	turn    int
	broken  chan struct{} // closed when nothing can be written any more
	ended   chan struct{} // closed when the program has ended and all of its output was processed
}

// start starts the program. The ledger processes its acknowledgements. The program is killed when
// killed is closed.
func start(config Config, l *ledger, killed <-chan struct{}) (*process, error) {
	var ours, theirs [3]*os.File // standard input, output and error
	var err error
	for i := range ours {
		r, w, pipeErr := os.Pipe()
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
		err = errors.Join(err, pipeErr)
	}
	defer closeAll(theirs[:]...)
	p := &process{chunks: make(chan chunk), broken: make(chan struct{}), ended: make(chan struct{})}
	if err == nil {
		p.supervisor, err = startSupervisor(config.Command, config.Environment, theirs, config.Lock)
	}
	if err != nil {
		closeAll(ours[:]...)
		return nil, err
	}
	p.stdin = ours[0]
	go p.watch(config, l, ours[1], ours[2])
	go p.write(l)
	go func() {
		select {
		case <-killed:
			p.kill()
		case <-p.ended:
		}
	}()
	return p, nil
}

// watch processes the program's output until the program has ended.
func (p *process) watch(config Config, l *ledger, stdout, stderr *os.File) {
	var outputs sync.WaitGroup
	outputs.Go(func() { takeLines(stdout, l, p.terminate) })
	outputs.Go(func() { p.said.copy(config.Stderr, stderr) })
	p.end = p.wait()
	deadline := time.Now().Add(outputPatience)
	_, _ = stdout.SetReadDeadline(deadline), stderr.SetReadDeadline(deadline)
	outputs.Wait()
	closeAll(stdout, stderr, p.stdin)
	close(p.ended)
}

// closeAll closes files and ignores errors.
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
			return // the exit status says more
		}
	}
}

// buffer returns the buffer that is not being written, empty.
func (p *process) buffer() []byte { return p.buffers[p.turn][:0] }

// handed records that the writer has received the chunk in the buffer, so that it has written the
// chunk before.
func (p *process) handed(c chunk) {
	if p.buffers[p.turn] = c.lines; cap(c.lines) > 16*chunkBytes {
		p.buffers[p.turn] = nil // so large a buffer is rarely needed
	}
	p.turn = 1 - p.turn
}

// stop closes the program's standard input, and returns when the program has ended, by itself or by
// force.
func (p *process) stop(grace time.Duration) {
	p.closing.Do(func() { close(p.chunks) })
	for _, do := range []func(){p.terminate, p.supervisor.kill} {
		select {
		case <-p.ended:
			return
		case <-time.After(grace):
			do()
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

// ending is the way in which a program has ended.
type ending struct {
	text   string
	status int
}

func exited(status int) ending { return ending{fmt.Sprintf("exit status %d", status), status} }

// how describes how the program has ended, with the last line of its standard error.
func (p *process) how() string {
	if said := p.said.String(); said != "" {
		return fmt.Sprintf("%s; the last it said on standard error: %s", p.end.text, said)
	}
	return p.end.text
}

// cannotRun reports whether the shell did not find the program, or may not run it.
func (p *process) cannotRun() bool { return p.end.status == 126 || p.end.status == 127 }
