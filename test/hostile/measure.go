package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measure runs a seeder on an input to its end, and then some more that are stopped.
func measure(ctx context.Context, o *options, in input) (*measured, error) {
	served, err := serve(in)
	if err != nil {
		return nil, err
	}
	defer served.close()
	m := &measured{}
	took, err := m.seed(ctx, o, served.url, 0)
	if err != nil {
		return nil, err
	}
	m.sent = served.largest.Load()
	for i := range o.stops {
		at := took * time.Duration(2*i+1) / time.Duration(2*o.stops)
		stopped := &measured{}
		end, err := stopped.seed(ctx, o, served.url, max(at, time.Millisecond))
		if err != nil {
			return nil, err
		}
		m.peak = max(m.peak, stopped.peak)
		if end > at {
			m.stops = append(m.stops, end-at)
		}
	}
	return m, nil
}

// seed runs a seeder, and sends it SIGTERM after a while, unless that is 0. It returns
// how long the seeder ran.
func (m *measured) seed(ctx context.Context, o *options, from string, stop time.Duration) (time.Duration, error) {
	folder, err := os.MkdirTemp("", "hostile-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	arguments := []string{"run", "--from", from, "--patience", "10s", "--into", "sqlite:" + filepath.Join(folder, "target.db")}
	if o.into != "" {
		arguments = append(arguments[:len(arguments)-1], o.into, "--consumer", "h"+strconv.FormatInt(time.Now().UnixNano(), 36))
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, o.seeder, arguments...)
	command.Stdout, command.Stderr = &out, &out
	began := time.Now()
	if err := command.Start(); err != nil {
		return 0, err
	}
	if stop > 0 {
		timer := time.AfterFunc(stop, func() { _ = command.Process.Signal(syscall.SIGTERM) })
		defer timer.Stop()
	}
	ended := make(chan struct{})
	watched := make(chan int64)
	go func() { watched <- peakOf(command.Process.Pid, ended) }()
	err = command.Wait()
	took := time.Since(began)
	close(ended)
	m.peak = <-watched
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return took, err
	}
	state := command.ProcessState
	m.cpu, m.status = state.UserTime()+state.SystemTime(), state.ExitCode()
	m.said = lastLine(out.String())
	return took, ctx.Err()
}

// peakOf returns the peak of a process's resident memory, in bytes.
func peakOf(pid int, ended <-chan struct{}) (peak int64) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil {
			if _, line, found := strings.Cut(string(status), "VmHWM:"); found {
				kilobytes, _ := strconv.ParseInt(strings.Fields(line)[0], 10, 64)
				peak = max(peak, kilobytes<<10)
			}
		}
		select {
		case <-ended:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lastLine is the last line that has the error, or the last one, shortened.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	for _, line := range lines {
		if strings.HasPrefix(line, "seeder: ") {
			last = line
			break
		}
	}
	if _, after, found := strings.Cut(last, "/feed: "); found {
		last = after
	}
	last = strings.ReplaceAll(last, "|", " ")
	if len(last) > 110 {
		last = last[:110] + "…"
	}
	return last
}
