//go:build unix

package execsink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/execsink"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

var (
	orders   = execsink.Feed{ID: "urn:uuid:1", Name: "orders"}
	payments = execsink.Feed{ID: "urn:uuid:2", Name: "payments"}
	others   = execsink.Feed{ID: "urn:uuid:3", Name: "orders"} // of another service
)

// events returns events of a feed.
func events(f execsink.Feed, from, to int64) (all []event.Delivered) {
	for position := from; position <= to; position++ {
		all = append(all, event.Delivered{Feed: f.Name, FeedID: f.ID, Live: position > 5, Placed: event.Placed{
			Position: position, Recorded: time.Unix(0, 0),
			Event: event.Event{ID: fmt.Sprint(position), Source: "/s", Type: "T", DataContentType: "application/json", Data: []byte(`{"n":1}`)},
		}})
	}
	return all
}

// trial is a program at work in a folder of its own, which $HERE names.
type trial struct {
	*execsink.Program
	t      *testing.T
	folder string
	log    *locked
	stderr *locked
	told   []int
}

// locked is written by one and read by another.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// try begins a trial. What the config leaves out is short.
func try(t *testing.T, config execsink.Config) *trial {
	t.Helper()
	r := &trial{t: t, folder: t.TempDir(), log: &locked{}, stderr: &locked{}}
	config.Command = "HERE='" + r.folder + "'; export HERE; " + config.Command
	if config.Feeds == nil {
		config.Feeds = []execsink.Feed{orders}
	}
	if config.Grace == 0 {
		config.Grace = 5 * time.Second
	}
	if config.Patience == 0 {
		config.Patience = 30 * time.Second
	}
	config.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Stderr = r.stderr
	r.Program = execsink.New(config)
	t.Cleanup(func() {
		r.Close()
		r.isGone()
		if t.Failed() {
			t.Logf("log:\n%sstandard error:\n%s", r.log, r.stderr)
		}
	})
	return r
}

// deliver hands events over, and sees that what is told on only grows.
func (r *trial) deliver(ctx context.Context, events []event.Delivered) error {
	r.told = nil
	err := r.Deliver(ctx, events, func(n int) error {
		r.told = append(r.told, n)
		return nil
	})
	if !slices.IsSorted(r.told) || len(slices.Compact(slices.Clone(r.told))) != len(r.told) {
		r.t.Errorf("told on: %v", r.told)
	}
	if err == nil && (len(r.told) == 0 || r.told[len(r.told)-1] != len(events)) {
		r.t.Errorf("told on: %v of %d", r.told, len(events))
	}
	return err
}

// last is how many events were told on to be acknowledged.
func (r *trial) last() int {
	if len(r.told) == 0 {
		return 0
	}
	return r.told[len(r.told)-1]
}

// file returns the lines of a file that the program has written.
func (r *trial) file(name string) []string {
	text, err := os.ReadFile(filepath.Join(r.folder, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// wait waits until something is so.
func (r *trial) wait(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// isGone sees that no process of the trial is there any more.
func (r *trial) isGone() {
	r.t.Helper()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		return // no Linux
	}
	r.wait("no process is left behind", func() bool { return len(r.processes()) == 0 })
}

// processes are those that were started with the folder's name.
func (r *trial) processes() (names []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		environment, _ := os.ReadFile(path + "/environ") // one that is gone has none
		command, _ := os.ReadFile(path + "/cmdline")
		if bytes.Contains(environment, []byte("HERE="+r.folder+"\x00")) || bytes.Contains(command, []byte("HERE='"+r.folder+"'")) {
			names = append(names, path+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return names
}

func numbers(from, to int64) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

// each is a shell program that does something with each event's $position.
func each(do string) string {
	return `while IFS= read -r event; do p=${event#*\"efposition\":\"}; p=${p%%\"*}; ` + do + `; done`
}

const worker = `echo $p >>$HERE/seen; echo $p`

func TestEventsComeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: each(worker)})
	for from := int64(1); from < 1000; from += 300 {
		if err := r.deliver(t.Context(), events(orders, from, from+299)); err != nil {
			t.Fatal(err)
		}
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 1200)) {
		t.Errorf("%d events: %v", len(seen), seen)
	}
	if r.log.String() != "" {
		t.Error("not quiet when all is well")
	}
}

func TestLineIsTheEventAsCloudEvents(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: `IFS= read -r a; echo "$a" >$HERE/seen; echo 6; cat >/dev/null`})
	if err := r.deliver(t.Context(), events(orders, 6, 6)); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(strings.Join(r.file("seen"), "")), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"specversion": "1.0", "id": "6", "source": "/s", "type": "T", "datacontenttype": "application/json", "data": map[string]any{"n": 1.0},
		"efposition": "6", "efrecorded": "1970-01-01T00:00:00Z", "effeed": "orders", "effeedid": "urn:uuid:1", "eflive": true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// Killed at any place, a program is started again and sees what is not
// acknowledged, all of it, and nothing else.
func TestProgramThatIsKilledSeesTheRestAgain(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: `echo run >>$HERE/seen; ` + each(`echo $p >>$HERE/seen; if [ $((p % 7)) = 0 ] && [ ! -e $HERE/$p ]; then >$HERE/$p; kill -9 $$; fi; echo $p`)})
	if err := r.deliver(t.Context(), events(orders, 1, 40)); err != nil {
		t.Fatal(err)
	}
	want := []string{"run"}
	for n := int64(1); n <= 40; n++ {
		want = append(want, fmt.Sprint(n))
		if n%7 == 0 {
			want = append(want, "run", fmt.Sprint(n))
		}
	}
	if seen := r.file("seen"); !slices.Equal(seen, want) {
		t.Errorf("got  %v\nwant %v", seen, want)
	}
	if log := r.log.String(); strings.Count(log, "level=WARN msg=\"the program exited, restarting it\" how=\"signal: killed\"") < 1 || !strings.Contains(log, "acknowledges again") {
		t.Error(log)
	}
}

// Of 12, one that is killed may have written 1.
func TestLineWithoutItsEndAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: `if [ ! -e $HERE/once ]; then >$HERE/once; printf 1; exit 1; fi; ` + each(worker)})
	if err := r.deliver(t.Context(), events(orders, 1, 12)); err != nil {
		t.Fatal(err)
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 12)) {
		t.Error(seen)
	}
}

// A program that does some events and ends well is as good as another.
func TestProgramMayEndAfterEachEvent(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: each(worker + "; exit 0"), Patience: time.Second})
	for from := int64(1); from < 6; from += 3 {
		if err := r.deliver(t.Context(), events(orders, from, from+2)); err != nil {
			t.Fatal(err)
		}
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 6)) {
		t.Error(seen)
	}
}

func TestAcknowledgementsAreToldOnAsTheyCome(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: each(`echo $p; while [ $p = 3 ] && [ ! -e $HERE/go ]; do sleep 0.02; done`)})
	told := make(chan int, 10)
	done := make(chan error, 1)
	go func() {
		done <- r.Deliver(t.Context(), events(orders, 1, 4), func(n int) error { told <- n; return nil })
	}()
	for n := 0; n != 3; n = <-told {
	}
	if err := os.WriteFile(filepath.Join(r.folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || <-told != 4 {
		t.Error(err)
	}
}

// Of several feeds each has its own positions; what is told on has no gap.
func TestAcknowledgementsOfSeveralFeeds(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{
		Feeds:   []execsink.Feed{orders, payments, others},
		Command: `for i in 1 2 3 4; do read -r e; done; echo payments 7; echo urn:uuid:1 1; echo "urn:uuid:3 2"; sleep 0.3; echo urn:uuid:1 2; cat >/dev/null`,
	})
	mixed := slices.Concat(events(orders, 1, 2), events(payments, 7, 7), events(others, 2, 2))
	if err := r.deliver(t.Context(), mixed); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.told, []int{1, 4}) && !slices.Equal(r.told, []int{4}) {
		t.Error(r.told)
	}
}

func TestLinesThatAreNoAcknowledgement(t *testing.T) {
	t.Parallel()
	three := []execsink.Feed{orders, payments, others}
	for name, test := range map[string]struct {
		feeds []execsink.Feed
		print string // printf's, after the first two events were acknowledged
		want  string // empty where it is fine
	}{
		"the same once more":          {nil, `2\n2\n`, ""},
		"carriage return, spaces":     {nil, ` 3 \r\n`, ""},
		"the feed, where it is one":   {nil, `orders 3\nurn:uuid:1 3\n`, ""},
		"a log":                       {nil, `worked on 3\n`, `it printed "worked on 3", and no feed, or more than one, is called "worked on"; those that it reads are orders`},
		"words":                       {nil, `done!\n`, `it printed "done!", which is no position; print everything but acknowledgements to standard error`},
		"nothing":                     {nil, `\n`, `it printed "", which is no position`},
		"a sign":                      {nil, `+3\n`, `it printed "+3", which is no position`},
		"more than there is":          {nil, `9223372036854775808\n`, `which is no position`},
		"never given":                 {nil, `99\n`, `it acknowledged position 99 of feed orders, which it has not received: it has received those up to 5`},
		"backwards":                   {nil, `1\n`, `it acknowledged position 1 of feed orders after position 2`},
		"a line without end":          {nil, strings.Repeat("x", 20_000), `it printed "xxx`},
		"several, without the feed":   {three, `3\n`, `it printed "3" without the feed, although it reads several: urn:uuid:1, payments, urn:uuid:3; print the feed first, such as: urn:uuid:1 3`},
		"several, a name that is two": {three, `orders 3\n`, `it printed "orders 3", and no feed, or more than one, is called "orders"`},
		"several, another's position": {three, `payments 1\n`, `it acknowledged position 1 of feed payments, of which it has received nothing`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := try(t, execsink.Config{Feeds: test.feeds, Command: `for i in 1 2 3 4 5; do read -r e; done
				echo urn:uuid:1 2; printf '` + test.print + `'; [ '` + test.want + `' ] || echo urn:uuid:1 5; cat >/dev/null`})
			err := r.deliver(t.Context(), events(orders, 1, 5))
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, execsink.ErrProtocol) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if r.last() != 2 {
				t.Errorf("told on: %v", r.told)
			}
			if len(r.processes()) > 0 {
				t.Error("it runs still")
			}
		})
	}
}

func TestProgramThatEndsAgainAndAgainIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command, want string
		once          bool
	}{
		"a status":            {`echo 'no such table: orders' >&2; exit 3`, "position 1 of feed orders: exit status 3; the last it said on standard error: no such table: orders", false},
		"a signal":            {`kill -9 $$`, "position 1 of feed orders: signal: killed", false},
		"well":                {`exit 0`, "position 1 of feed orders: exit status 0", false},
		"input closed":        {`exec <&-; sleep 0.1; exit 5`, "position 1 of feed orders: exit status 5", false},
		"there is no program": {`no-such-program-here`, "exit status 127; the last it said on standard error: ", true},
		"it is no program":    {`/etc/passwd`, "exit status 126; the last it said on standard error: ", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := try(t, execsink.Config{Command: `echo run >>$HERE/runs; ` + test.command, Patience: 300 * time.Millisecond})
			err := r.deliver(t.Context(), events(orders, 1, 5))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if runs := len(r.file("runs")); (runs == 1) != test.once {
				t.Errorf("%d runs", runs)
			}
			if warnings := strings.Count(r.log.String(), "level=WARN"); warnings > 1 {
				t.Errorf("%d warnings of one outage", warnings)
			}
		})
	}
}

func TestProgressRenewsPatience(t *testing.T) {
	t.Parallel()
	const patience = 6 * time.Second // each event takes a part of it, and all of them more
	r := try(t, execsink.Config{Patience: patience, Command: `read -r e; p=${e#*\"efposition\":\"}; p=${p%%\"*}
		echo x >>$HERE/runs; if [ $(wc -l <$HERE/runs) -ge $((p * 2)) ]; then sleep 0.6; echo $p; fi; exit 1`})
	began := time.Now()
	if err := r.deliver(t.Context(), events(orders, 1, 12)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("took %v, which shows nothing", took)
	}
}

func TestSilenceIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command string
		silence time.Duration // in which the program has read all, on a busy machine too
		want    string
	}{
		"it keeps what it reads": {`cat >$HERE/all`, 5 * time.Second, "for=5s feed=orders position=3 reads=true"},
		"it reads nothing":       {`sleep 1000`, 200 * time.Millisecond, "for=200ms feed=orders position=3 reads=false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			r := try(t, execsink.Config{Command: test.command, Silence: test.silence, Grace: 100 * time.Millisecond})
			done := make(chan error, 1)
			go func() { done <- r.deliver(ctx, events(orders, 3, 5000)) }()
			r.wait("a warning", func() bool {
				return strings.Contains(r.log.String(), `msg="the program acknowledges no events" `+test.want)
			})
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if len(r.processes()) > 0 {
				t.Error("it runs still")
			}
		})
	}
}

// One that prints and does not read, and one that reads what is larger than
// every buffer.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	t.Run("prints without reading", func(t *testing.T) {
		t.Parallel()
		r := try(t, execsink.Config{Command: `IFS= read -r e; yes 1 | head -n 200000; cat >$HERE/rest; wc -l <$HERE/rest >&2; echo 3000`})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.deliver(ctx, events(orders, 1, 3000)) }()
		r.wait("it has read", func() bool { return len(r.file("rest")) == 2999 })
		cancel() // and so it sees the end of its input
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("large events", func(t *testing.T) {
		t.Parallel()
		r := try(t, execsink.Config{Command: need.Tool(t, "python3") + ` -c '
import sys, json
for line in sys.stdin:
    e = json.loads(line)
    print(len(e["data_base64"]), file=sys.stderr)
    print(e["efposition"], flush=True)'`})
		all := events(orders, 1, 3)
		for i := range all {
			all[i].Data, all[i].DataContentType = bytes.Repeat([]byte{0xff}, event.MaxSize-1000), "x/y"
		}
		if err := r.deliver(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		r.Close() // so that all it said was taken
		if want := fmt.Sprintln((event.MaxSize - 1000 + 2) / 3 * 4); r.stderr.String() != want+want+want {
			t.Error(r.stderr.String())
		}
	})
}
