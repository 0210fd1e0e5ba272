// Command hostile measures what inputs that were made to hurt take of a seeder: peak
// memory, time of the processor, and how long it goes on after SIGTERM. It prints a
// table in Markdown.
//
//	go build -o bin/ ./cmd/seeder && go run ./test/hostile -seeder bin/seeder
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

// options are what to measure.
type options struct {
	seeder string
	into   string
	only   string
	stops  int
}

func main() {
	var o options
	flag.StringVar(&o.seeder, "seeder", "bin/seeder", "the `PROGRAM`")
	flag.StringVar(&o.into, "into", "", "`URL` of an empty PostgreSQL database to fill, with a consumer for each input; default: SQLite")
	flag.StringVar(&o.only, "run", "", "`PATTERN` of the inputs to measure")
	flag.IntVar(&o.stops, "stops", 5, "`NUMBER` of further runs of each input that are sent SIGTERM on the way; 0 for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "hostile: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	fmt.Println("| input | on the wire | peak memory | CPU | status | ends after SIGTERM |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, in := range inputs() {
		if !only.MatchString(in.name) {
			continue
		}
		m, err := measure(ctx, o, in)
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		fmt.Printf("| %s | %s | %d MB | %.1f s | %d: %s | %s |\n", in.name, size(m.sent), m.peak>>20, m.cpu.Seconds(), m.status, m.said, m.stopped())
	}
	return nil
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d kB", n>>10)
	default:
		return fmt.Sprintf("%d MB", n>>20)
	}
}

// measured is what an input has taken.
type measured struct {
	sent   int64 // bytes of the largest answer
	peak   int64 // bytes of resident memory
	cpu    time.Duration
	status int
	said   string // last line, shortened
	stops  []time.Duration
}

func (m *measured) stopped() string {
	if len(m.stops) == 0 {
		return "–"
	}
	worst := time.Duration(0)
	for _, s := range m.stops {
		worst = max(worst, s)
	}
	return fmt.Sprintf("%.2f s", worst.Seconds())
}
