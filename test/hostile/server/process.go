package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// largeEvents is how many events of the largest size the feed "big" has.
const largeEvents = 40

// log is a database with two feeds: "big", whose events have the largest size, and "f"
// with 500 small ones.
type log struct {
	folder string
}

func (l *log) url() string { return "sqlite:" + filepath.Join(l.folder, "log.db") }

func makeLog(ctx context.Context, program string) (*log, error) {
	folder, err := os.MkdirTemp("", "hostile-")
	if err != nil {
		return nil, err
	}
	l := &log{folder}
	for name, events := range map[string]func(w io.Writer){"big": big, "f": small} {
		create := exec.CommandContext(ctx, program, "create", name, "--db", l.url())
		if out, err := create.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("create %s: %w: %s", name, err, out)
		}
		appends := exec.CommandContext(ctx, program, "append", name, "-", "--db", l.url())
		input, err := appends.StdinPipe()
		if err != nil {
			return nil, err
		}
		go func() {
			defer func() { _ = input.Close() }()
			events(input)
		}()
		if out, err := appends.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("append to %s: %w: %s", name, err, out)
		}
	}
	s, err := l.serve(ctx, program) // which seals the pages
	if err != nil {
		return nil, err
	}
	defer s.stop()
	for sealed := fmt.Sprintf(`"archives": %d`, largeEvents); ; time.Sleep(time.Second) {
		list, err := exec.CommandContext(ctx, program, "list", "--json", "--db", l.url()).Output()
		if err != nil || strings.Contains(string(list), sealed) {
			return l, err
		}
	}
}

// big writes events of the largest size whose data does not compress.
func big(w io.Writer) {
	for i := range largeEvents {
		_, _ = fmt.Fprintf(w, `{"specversion":"1.0","id":"%d","source":"/s","type":"T","datacontenttype":"application/octet-stream","data_base64":"%s"}`+"\n",
			i, random(i, (event.MaxSize-1000)/3*4))
	}
}

func small(w io.Writer) {
	for i := range 500 {
		_, _ = fmt.Fprintf(w, `{"specversion":"1.0","id":"%d","source":"/s","type":"T","data":{"n":%d}}`+"\n", i, i)
	}
}

// random returns n characters of Base64, n a multiple of 4.
func random(seed, n int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	text := make([]byte, n)
	x := uint64(seed)*2654435761 + 88172645463325252
	for i := range text {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		text[i] = alphabet[x%64]
	}
	return text
}

// server is a running feedserver.
type server struct {
	address string
	process *exec.Cmd
	said    bytes.Buffer

	once  sync.Once
	epoch string
}

var serving = regexp.MustCompile(`msg=serving url=http://([^/]+)/`)

func (l *log) serve(ctx context.Context, program string) (*server, error) {
	s := &server{process: exec.CommandContext(ctx, program, "serve", "--db", l.url(), "--listen", "127.0.0.1:0", "--allow-append")}
	stderr, err := s.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.said.WriteString(lines.Text() + "\n")
		if match := serving.FindStringSubmatch(lines.Text()); match != nil {
			s.address = match[1]
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return s, nil
		}
	}
	return nil, fmt.Errorf("it does not serve: %s", s.said.String())
}

// stop ends the server, and returns the peak of its resident memory in bytes, and the
// time of the processor.
func (s *server) stop() (peak int64, cpu time.Duration) {
	peak = s.memory("VmHWM:")
	_ = s.process.Process.Signal(syscall.SIGKILL)
	err := s.process.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return 0, 0
	}
	return peak, s.process.ProcessState.UserTime() + s.process.ProcessState.SystemTime()
}

func (s *server) memory(line string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), line)
	kilobytes, _ := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	return kilobytes << 10
}
