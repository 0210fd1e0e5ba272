//go:build linux

// Package waiting_test lets many readers wait, as the processes of real servers
// see them.
package waiting_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// patience is far longer than anything here takes.
const patience = 5 * time.Minute

// Who waits: most at one server, which is what its memory is measured by, and
// some at another one on the same database.
const (
	atFirst  = 10_000
	atSecond = 1_000
	streams  = 500 // at each
)

// most is what the server that ten thousand wait at may have taken at any
// time, in MB.
const most = 500

// Of what is open at a time besides the readers.
const reserve = 500

// TestTenThousandReadersWait: ten thousand waiting readers cost a server under
// 500 MB and delay no one. An event that another process appends reaches each
// of them once, at every server on the database.
func TestTenThousandReadersWait(t *testing.T) {
	t.Parallel()
	enoughFiles(t)
	program, database := build(t), testdb.Postgres(t)
	l := storetest.Open(t, database)
	storetest.Create(t, l, "f", 0)
	storetest.Append(t, l, "f", storetest.Events(1, 50))
	storetest.Drain(t, l, "f")
	first, second := serve(t, program, database), serve(t, program, database)

	empty := first.memory(t, "VmRSS")
	documents := &documents{known: make(map[string]bool)}
	start := func(r *reader) error { return r.start(documents) }
	waiting := append(connect(t, first, atFirst, start), connect(t, second, atSecond, start)...)
	stream := func(r *reader) error { return r.ask("/feeds/f/stream") }
	streaming := append(connect(t, first, streams, stream), connect(t, second, streams, stream)...)
	lines := make([]*bufio.Reader, len(streaming))
	for i, r := range streaming {
		lines[i] = bufio.NewReaderSize(r.conn, 16) // the least there is, and no more is needed
	}
	for round := range 2 {
		position := int64(51 + round)
		tag := get(t, "http://"+first.address+"/feeds/f").tag
		each(t, waiting, func(_ int, r *reader) error { return r.wait(tag) })
		for server, count := range map[*server]int{first: atFirst, second: atSecond} {
			server.holds(t, "eventfeed_waiting_readers", count, func() {
				each(t, waiting, func(_ int, r *reader) error { return r.waitOn(tag) })
			})
			server.holds(t, "eventfeed_open_streams", streams, func() {})
		}
		t.Logf("%d readers wait: %.1f kB each", atFirst, 1000*(first.memory(t, "VmRSS")-empty)/(atFirst+streams))
		idle(t, first)

		for _, server := range []*server{first, second} {
			for range 100 {
				if get(t, "http://"+server.address+"/feeds/f").tag != tag {
					t.Error("another document, and nothing was appended")
				}
			}
		}
		appendEvent(t, program, database, position)
		appended := time.Now()
		each(t, waiting, func(_ int, r *reader) error { return r.takesNew(tag, position, documents) })
		t.Logf("the last of %d has its answer after %v", len(waiting), time.Since(appended).Round(time.Millisecond))
		each(t, streaming, func(i int, _ *reader) error { return streamed(lines[i], position) })
		if took := first.memory(t, "VmHWM"); took > most {
			t.Errorf("the server took %.0f MB, %d is the most that it may", took, most)
		} else {
			t.Logf("the server took %.0f MB at most", took)
		}
	}
}

// enoughFiles ends the test where the processes cannot have as many
// connections: with fewer it would show nothing. Each process raises its limit
// by itself, as far as it may.
func enoughFiles(t *testing.T) {
	t.Helper()
	const need = atFirst + atSecond + 2*streams + reserve
	var limit syscall.Rlimit
	must.OK(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < need {
		t.Fatalf("a process may open %d files here, and the test needs %d: raise the hard limit, with ulimit -Hn or in limits.conf", limit.Max, need)
	}
}

// idle tells what it costs a server that nothing happens.
func idle(t *testing.T, s *server) {
	t.Helper()
	const look = 2 * time.Second
	before := s.work(t)
	time.Sleep(look)
	t.Logf("while nothing happens they take %.1f %% of a core, of %d", 100*float64(s.work(t)-before)/float64(look), runtime.NumCPU())
}

// appendEvent appends an event in a process of its own.
func appendEvent(t *testing.T, program, database string, number int64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "event.json")
	event := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/test","type":"Counted","data":{"n":%[1]d}}`, number)
	must.OK(t, os.WriteFile(file, []byte(event), 0o600))
	command := exec.CommandContext(t.Context(), program, "append", "f", file, "--db", testdb.As(database, testdb.Server))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("append: %v\n%s", err, out)
	}
}
