package execsink

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/eventfeed/eventfeed/event"
)

// chunkBytes is how many bytes of events are written at once, and a little
// more: it is what a pipe holds.
const chunkBytes = 64 << 10

// maxLine bounds an acknowledgement, and what is kept of a line of complaint.
const maxLine = 8 << 10

// chunk is events to be written at once. The events may be more than those in
// lines: some that were handed over before.
type chunk struct {
	events []event.Delivered
	lines  []byte
}

func (c chunk) empty() bool { return len(c.lines) == 0 }

// takeLines takes what the program prints, until it ends. After the first line
// that is no acknowledgement it is told to end, and the rest is passed over.
func takeLines(stdout io.Reader, l *ledger, end func()) {
	lines := bufio.NewReaderSize(stdout, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return // a line without its end is none: who is killed while writing 12 has written 1
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

// lastLine is the last line of a program's standard error that says something.
type lastLine struct {
	mu   sync.Mutex
	text string
}

// copy passes everything on, in whole lines where they are not too long, and
// remembers the last one.
func (l *lastLine) copy(w io.Writer, stderr io.Reader) {
	lines := bufio.NewReaderSize(stderr, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			_, _ = w.Write(line) // a standard error that is gone keeps nobody from the work
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
