//go:build unix

package progress

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"

	"github.com/eventfeed/eventfeed/seed"
)

func at(done, total int64) seed.Progress {
	return seed.Progress{
		Feeds: []seed.FeedProgress{{Feed: "orders", Position: done, Head: total}}, Applied: done,
		Bytes: done * 400, Pages: done / 500,
	}
}

// The line never reaches the last column, and says what fits.
func TestLineFits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		width int
		says  string
	}{
		{200, "|  75,000/150,370 events, 12,345/s, 30 MB, 150 pages, 7 s left"},
		{95, "|  75,000/150,370 events, 12,345/s, 30 MB, 150 pages, 7 s left"},
		{80, "|  75,000/150,370 events, 12,345/s, 30 MB, 150 pages, 7 s left"},
		{70, "|  75,000/150,370 events, 12,345/s, 30 MB, 7 s left"},
		{60, "|  75,000/150,370 events, 12,345/s, 7 s left"},
		{45, "|  75,000 events, 7 s left"},
		{40, "|  75,000 events, 7 s left"},
		{35, "|  7 s left"},
		{24, "|"},
		{5, ""},
		{1, ""},
	} {
		got := line(at(75_000, 150_370), 12345, test.width)
		if !strings.HasSuffix(got, test.says) || utf8.RuneCountInString(got) >= test.width {
			t.Errorf("%d columns: %q has %d", test.width, got, utf8.RuneCountInString(got))
		}
		if test.width >= 24 && !strings.Contains(got, "49% |█") {
			t.Errorf("%d columns: %q", test.width, got)
		}
	}
	for width := range 250 {
		for _, p := range []seed.Progress{{}, at(0, 0), at(0, 10), at(10, 10), at(11, 10), at(1<<62, 1<<62)} {
			for _, rate := range []float64{0, 0.001, 1e9} {
				if got := line(p, rate, width); utf8.RuneCountInString(got) >= max(width, 1) {
					t.Fatalf("%d columns: %q", width, got)
				}
			}
		}
	}
}

// screen is what a terminal shows of what was written to it, line by line. It
// fails the test where a line would go on in the next one.
func screen(t *testing.T, written []byte, width int) (lines []string) {
	t.Helper()
	current, column := []rune{}, 0
	text := strings.ReplaceAll(string(written), "\x1b[K", "\x00")
	if escape := regexp.MustCompile(`\x1b.{0,5}`).FindString(text); escape != "" {
		t.Errorf("colour, or another escape: %q", escape)
	}
	for _, r := range text {
		switch r {
		case '\r':
			column = 0
		case '\n':
			lines = append(lines, string(current))
			current, column = nil, 0
		case 0:
			current = current[:min(column, len(current))]
		default:
			current = append(current[:min(column, len(current))], append([]rune{r}, current[min(column+1, len(current)):]...)...)
			if column++; column >= width {
				t.Fatalf("wraps at %d columns: %q", width, string(current))
			}
		}
	}
	return append(lines, string(current))
}

func TestBarOnATerminal(t *testing.T) {
	t.Parallel()
	for _, width := range []uint16{40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			ours, terminal, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
				t.Fatal(err)
			}
			if _, can := CanShow(terminal); !can {
				t.Fatal("is no terminal")
			}
			bar := NewBar(terminal)
			var written bytes.Buffer
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = io.Copy(&written, ours) // until the terminal is closed
			}()
			logger := slog.New(slog.NewTextHandler(bar, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
					return slog.Attr{}
				}
				return a
			}}))
			for n := int64(1); n <= 10; n++ {
				bar.Update(at(n*100_000, 1_000_000))
				bar.draw(time.Now())
				if n%5 == 0 {
					logger.Info("away", "n", n)
				}
			}
			bar.Update(seed.Progress{Following: true})
			bar.draw(time.Now())
			logger.Info("following")
			bar.Update(at(1, 2))
			bar.draw(time.Now())
			bar.Stop()
			bar.Stop()
			logger.Info("stopped")
			_ = terminal.Close()
			<-ended
			lines := screen(t, written.Bytes(), int(width))
			if got := strings.Join(lines, "\n"); got != "msg=away n=5\nmsg=away n=10\nmsg=following\nmsg=stopped\n" {
				t.Errorf("left on the screen:\n%s", got)
			}
			if !strings.Contains(written.String(), "50% |█") {
				t.Errorf("no bar: %q", written.String())
			}
		})
	}
}

func TestBarThatIsLeftShowsWhereTheRunStopped(t *testing.T) {
	t.Parallel()
	ours, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	bar := NewBar(terminal)
	var written bytes.Buffer
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(&written, ours) // until the terminal is closed
	}()
	bar.Update(at(250_000, 1_000_000)) // which is not drawn before it is left, most likely
	bar.Leave()
	bar.Stop()
	_, _ = bar.Write([]byte("seeder: stopped\n"))
	_ = terminal.Close()
	<-ended
	lines := screen(t, written.Bytes(), 80)
	if len(lines) != 3 || !strings.Contains(lines[0], " 25% |") || !strings.Contains(lines[0], "250,000/1,000,000 events") || lines[1] != "seeder: stopped" {
		t.Errorf("left on the screen: %q", lines)
	}
}

func TestBarIsForTerminalsOnly(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for _, w := range []io.Writer{w, &bytes.Buffer{}, nil} {
		if _, can := CanShow(w); can {
			t.Errorf("%T", w)
		}
	}
}

func TestPaceIsThatOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Unix(0, 0)
	step := func(after time.Duration, done int64, want float64) {
		t.Helper()
		now = now.Add(after)
		if got := p.add(done, now); got != want {
			t.Errorf("at %s: %f, want %f", now.Sub(time.Unix(0, 0)), got, want)
		}
	}
	step(0, 1000, 0)                    // resumed here
	step(100*time.Millisecond, 1500, 0) // too early to tell
	step(1900*time.Millisecond, 3000, 1000)
	for n := int64(1); n <= 20; n++ {
		now = now.Add(time.Second)
		p.add(3000+10*n, now)
	}
	step(0, 3200, 10) // and not what it was at first
	for range 15 {
		now = now.Add(time.Second)
		p.add(3200, now)
	}
	step(0, 3200, 0)
	if len(p.samples) > 20 {
		t.Errorf("%d samples are kept", len(p.samples))
	}
}

func TestLogSaysNowAndThenHowFarItIs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := NewLog(slog.New(slog.NewTextHandler(&log, nil)), time.Hour)
	l.Update(at(1, 10))
	if log.Len() > 0 {
		t.Error(&log)
	}
	l.last = time.Time{}
	l.pace.samples = []sample{{time.Now().Add(-2 * time.Second), 0}}
	l.Update(at(2000, 4000))
	if !regexp.MustCompile(`msg=seeding feed=orders position=2000 of=4000 events/s=(999|1000) bytes=800000 pages=4 left=[23]s\n$`).MatchString(log.String()) {
		t.Error(&log)
	}
	log.Reset()
	l.last = time.Time{}
	if l.Update(seed.Progress{Target: seed.TargetProgress{Retries: 1}}); log.Len() > 0 {
		t.Errorf("before the target was read: %s", &log)
	}
	several := at(10, 20)
	several.Feeds = append(several.Feeds, seed.FeedProgress{Feed: "payments", Position: 1, Head: 5})
	l.Update(several)
	if !strings.Contains(log.String(), `msg=seeding feeds="orders, payments" events=11 of=25`) {
		t.Error(&log)
	}
	log.Reset()
	l.last = time.Time{}
	several.Following = true
	l.Update(several)
	if log.Len() > 0 {
		t.Error(&log)
	}
}
