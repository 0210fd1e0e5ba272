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

// clearLine moves to the beginning of the line and erases it.
const clearLine = "\r\x1b[K"

// Bar shows the progress of a run on a terminal, in one line of numbers that is redrawn. All other
// output to the terminal must go through Write, and must be fit for a terminal.
type Bar struct {
	terminal *os.File
	stop     func()

	mu       sync.Mutex
	pace     pace
	progress seed.Progress
	begun    bool // there is progress to show
	drawn    bool // the line shows the bar
	stays    bool // the line remains after Stop
}

// CanShow reports whether w is a terminal that can show a bar.
func CanShow(w io.Writer) (terminal *os.File, can bool) {
	file, is := display.Of(w)
	return file, is && os.Getenv("TERM") != "dumb"
}

// NewBar shows progress on a terminal until Stop.
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

// Update sets the progress. There is no bar while a run follows, or before it has read its target.
func (b *Bar) Update(p seed.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress, b.begun = p, !p.Following && len(p.Feeds) > 0
}

// Write writes other lines above the bar.
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

// Stop removes the bar. Write still works.
func (b *Bar) Stop() { b.stop() }

// Leave stops the bar, and leaves it on a line of its own. It does nothing after Stop.
func (b *Bar) Leave() {
	b.mu.Lock()
	b.stays = true
	b.mu.Unlock()
	b.stop()
}

// end draws the bar for the last time, if it remains, or removes it.
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
	// One write that also erases the rest of the line, so that nothing flickers. An error of the
	// terminal must not stop the run.
	_, _ = b.terminal.WriteString("\r" + line(b.progress, rate, width) + "\x1b[K")
	b.drawn = true
}

// The columns of a line beside the bar and the text, and the minimum width of the bar.
const (
	frameWidth  = 11
	minBarWidth = 6
)

// line returns the bar and its text in fewer than width columns: a terminal may begin a new line
// after the last column.
func line(p seed.Progress, rate float64, width int) string {
	s := sumOf(p)
	most := width - frameWidth - minBarWidth
	said := text(p, s, rate, most)
	room := width - frameWidth - utf8.RuneCountInString(said)
	if room < 1 {
		return "" // the terminal is too narrow
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

// text returns as much of the progress as fits into most columns, the most important part first.
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
