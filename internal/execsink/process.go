package execsink

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// outputPatience is how long the output of a program that has ended is waited
// for, where something that has left the group holds it open.
const outputPatience = 2 * time.Second

// process is a program that runs.
type process struct {
	*supervisor
	stdin *os.File
	said  lastLine
	end   ending // once it has ended

	chunks  chan chunk // to be written, without room; closing it closes the standard input
	closing sync.Once
	buffers [2][]byte // one is being written while the other is filled
	turn    int
	broken  chan struct{} // closed when nothing can be written any more
	ended   chan struct{} // closed when it has ended and all that it said was taken
}

// start starts the program, whose acknowledgements the ledger takes. It is killed
// when killed is closed.
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

// watch takes all that the program says, until it has ended.
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

// ending is how a program has ended.
type ending struct {
	text   string
	status int
}

func exited(status int) ending { return ending{fmt.Sprintf("exit status %d", status), status} }

// how says how it has ended, and the last that it said.
func (p *process) how() string {
	if said := p.said.String(); said != "" {
		return fmt.Sprintf("%s; the last it said on standard error: %s", p.end.text, said)
	}
	return p.end.text
}

// cannotRun reports whether the shell has found no program, or none that it may
// run.
func (p *process) cannotRun() bool { return p.end.status == 126 || p.end.status == 127 }
