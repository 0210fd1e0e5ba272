package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Variables that tell a process of the tests what to do, and where to die.
const (
	urlVariable   = "EVENTFEED_CHECKPOINTTEST_URL"
	deathVariable = "EVENTFEED_CHECKPOINTTEST_DEATH"
)

// death is before or after a call of a script.
type death struct {
	script   string
	call     int
	after    bool
	position int64 // that the consumer is at
}

func (d death) String() string {
	return fmt.Sprintf("%d %t %d: %s", d.call, d.after, d.position, d.script)
}

func parseDeath(text string) (d death, err error) {
	place, script, _ := strings.Cut(text, ": ")
	_, err = fmt.Sscanf(place, "%d %t %d", &d.call, &d.after, &d.position)
	d.script = script
	return d, err
}

// Main runs the tests of a package that calls RunDeaths. In a process that a test has
// started to die it does a script at the place that open opens by its URL, instead.
func Main(m *testing.M, open func(url string) (checkpoint.Target, error)) {
	url := os.Getenv(urlVariable)
	if url == "" {
		os.Exit(m.Run())
	}
	if err := workAndDie(url, os.Getenv(deathVariable), open); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func workAndDie(url, text string, open func(url string) (checkpoint.Target, error)) error {
	d, err := parseDeath(text)
	if err != nil {
		return err
	}
	of, err := open(url)
	if err != nil {
		return err
	}
	f := &faults{call: d.call, after: d.after, wrong: func() error {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing is caught, flushed or closed
		select {}
	}}
	of, do := scripts[d.script].on(of)
	s := checkpoint.Open(target{of, f}, false)
	defer s.Close()
	return do(context.Background(), s, d.position)
}

// RunDeaths kills a process before and after each of its calls, in each script, at places
// that newPlace makes, which must have a URL: nothing is lost, and nothing applied twice.
// Main must run the package's tests.
func RunDeaths(t *testing.T, newPlace func(t *testing.T) Place) {
	for name := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deaths(t, newPlace(t), name)
		})
	}
}

func deaths(t *testing.T, p Place, name string) {
	script, position := scripts[name], int64(0)
	for _, after := range []bool{false, true} {
		for call, more := 0, true; more; call++ {
			more = dies(t, p, death{name, call, after, position})
			if more { // the next process finds what that one has left
				of, do := script.on(p.Target)
				s := open(t, of)
				must.OK(t, do(t.Context(), s, position))
				s.Close()
			}
			position += 4
		}
	}
	script.leaves(t, p, position)
}

// dies starts a process, and reports whether it died; if not, it has done all of its work,
// which has no such call.
func dies(t *testing.T, p Place, d death) bool {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), urlVariable+"="+p.URL, deathVariable+"="+d.String())
	out, err := command.CombinedOutput()
	if err == nil {
		return false
	}
	if state, is := errors.AsType[*exec.ExitError](err); !is || state.ExitCode() >= 0 {
		t.Fatalf("%s: %v: %s", d, err, out)
	}
	return true
}
