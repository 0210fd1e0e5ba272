package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	display "github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// barInterval is how often the bar is drawn.
const barInterval = 200 * time.Millisecond

// clearLine goes to the line's beginning and erases the rest of it.
const clearLine = "\r\x1b[K"

// Bar shows on a terminal how far a run is, on one line that is drawn again and
// again, with nothing on it but numbers. What else is to be seen there is written
// through it, already fit for a terminal.
type Bar struct {
	terminal *os.File
	stop     func()

	mu       sync.Mutex
	pace     pace
	progress seed.Progress
	begun    bool // there is progress to show
	drawn    bool // the line shows the bar
	stays    bool // when it is stopped
}

// CanShow reports whether w is a terminal that can show a bar.
func CanShow(w io.Writer) (terminal *os.File, can bool) {
	file, is := display.Of(w)
	return file, is && os.Getenv("TERM") != "dumb"
}

// NewBar begins to show progress on a terminal, until Stop.
func NewBar(terminal *os.File) *Bar {
	b := &Bar{terminal: terminal}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	b.stop = sync.OnceFunc(func() {
		close(stopping)
		<-stopped
	})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(barInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				b.draw(time.Now())
			case <-stopping:
				b.end()
				return
			}
		}
	}()
	return b
}

// Update takes over how far the run is. A run that follows needs no bar, and one
// that has not read its target yet has nothing to show.
func (b *Bar) Update(p seed.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress, b.begun = p, !p.Following && len(p.Feeds) > 0
}

// Write writes lines of something else above the bar.
func (b *Bar) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn {
		b.drawn = false
		if _, err := b.terminal.WriteString(clearLine); err != nil {
			return 0, err
		}
	}
	return b.terminal.Write(lines)
}

// Stop takes the bar away. Writing goes on to work.
func (b *Bar) Stop() { b.stop() }

// Leave stops the bar and leaves it on a line of its own, where the run stopped. It
// does nothing after Stop.
func (b *Bar) Leave() {
	b.mu.Lock()
	b.stays = true
	b.mu.Unlock()
	b.stop()
}

// end draws the bar for the last time, if it stays, or takes it away.
func (b *Bar) end() {
	b.mu.Lock()
	stays := b.stays && b.begun
	b.mu.Unlock()
	if !stays {
		_, _ = b.Write(nil)
		return
	}
	b.draw(time.Now())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drawn = false
	_, _ = b.terminal.WriteString("\n")
}

func (b *Bar) draw(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.begun {
		if b.drawn {
			b.drawn = false
			_, _ = b.terminal.WriteString(clearLine)
		}
		return
	}
	width, _, err := term.GetSize(int(b.terminal.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	rate := b.pace.add(sumOf(b.progress).done, now)
	// In one piece, and erased behind it: so nothing flickers. A terminal that
	// goes away keeps nobody from the work.
	_, _ = b.terminal.WriteString("\r" + line(b.progress, rate, width) + "\x1b[K")
	b.drawn = true
}

// Columns of a line that are neither the bar nor the text behind it, and what
// the bar has at least.
const (
	frameWidth  = 11
	minBarWidth = 6
)

// line is the bar and its text, in less than width columns, as without the last
// one no terminal begins another line.
func line(p seed.Progress, rate float64, width int) string {
	s := sumOf(p)
	most := width - frameWidth - minBarWidth
	said := text(p, s, rate, most)
	room := width - frameWidth - utf8.RuneCountInString(said)
	if room < 1 {
		return "" // nothing can be seen on so narrow a terminal
	}
	var drawn bytes.Buffer
	bar := progressbar.NewOptions64(max(s.total, 1), progressbar.OptionSetWriter(&drawn), progressbar.OptionSetWidth(room),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionSetDescription(said))
	_ = bar.Set64(min(s.done, max(s.total, 1))) // into memory
	_ = bar.RenderBlank()
	all := strings.TrimRight(drawn.String(), " \n")
	return all[strings.LastIndexByte(all, '\r')+1:]
}

// text says as much as fits into a number of columns; what is most wanted stays
// longest.
func text(p seed.Progress, s sum, rate float64, most int) string {
	events := fmt.Sprintf("%s/%s events", count(s.done), count(s.total))
	var perSecond, rest []string
	if rate > 0 {
		perSecond = []string{ratio(rate)}
	}
	if d := left(s.total-s.done, rate); d > 0 {
		rest = []string{wholeSeconds(d) + " left"}
	}
	for _, parts := range [][]string{
		join([]string{events}, perSecond, []string{size(p.Bytes), number(p.Pages, "page")}, rest),
		join([]string{events}, perSecond, []string{size(p.Bytes)}, rest),
		join([]string{events}, perSecond, rest),
		join([]string{count(s.done) + " events"}, rest),
		join(rest),
	} {
		if said := strings.Join(parts, ", "); utf8.RuneCountInString(said) <= most {
			return said
		}
	}
	return ""
}

func join(parts ...[]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
