package execsink

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/eventfeed/eventfeed/event"
)

// chunkBytes is about the size of a chunk, in bytes: the capacity of a pipe.
const chunkBytes = 64 << 10

// maxLine is the maximum length of an acknowledgement, and of the stored last line of standard error.
const maxLine = 8 << 10

// chunk is events to write at once. Lines lacks those of the events that were delivered before.
type chunk struct {
	events []event.Delivered
	lines  []byte
}

func (c chunk) empty() bool { return len(c.lines) == 0 }

// takeLines processes the program's output until its end. After the first invalid line it calls
// end, and discards the rest.
func takeLines(stdout io.Reader, l *ledger, end func()) {
	lines := bufio.NewReaderSize(stdout, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return // a line without its line feed does not count: a program killed while it prints 12 may have printed 1
		default:
			line = line[:len(line)-1]
		}
		if !l.take(string(line)) {
			end()
			_, _ = io.Copy(io.Discard, lines)
			return
		}
	}
}

// lastLine is the last line of a program's standard error that is not empty.
type lastLine struct {
	mu   sync.Mutex
	text string
}

// copy copies everything, in whole lines unless they are too long, and stores the last line.
func (l *lastLine) copy(w io.Writer, stderr io.Reader) {
	lines := bufio.NewReaderSize(stderr, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			_, _ = w.Write(line) // an error of the log must not stop the program
			l.keep(string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *lastLine) keep(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = line
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
