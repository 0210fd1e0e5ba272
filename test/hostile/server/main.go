// Command server measures what clients that were made to hurt take of a feedserver:
// its peak memory, and what it answers. It prints a table in Markdown.
//
//	go build -o bin/ ./cmd/feedserver && go run ./test/hostile/server -server bin/feedserver
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
)

func main() {
	program := flag.String("server", "bin/feedserver", "the `PROGRAM`")
	only := flag.String("run", "", "`PATTERN` of the inputs to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *program, *only)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "hostile: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	log, err := makeLog(ctx, program)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(log.folder) }()
	fmt.Println("| clients | peak memory | CPU | answers |")
	fmt.Println("|---|---|---|---|")
	for _, in := range inputs() {
		if !pattern.MatchString(in.name) {
			continue
		}
		s, err := log.serve(ctx, program)
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		c := &clients{server: s}
		in.attack(c)
		peak, cpu := s.stop()
		c.close()
		fmt.Printf("| %s | %d MB | %.1f s | %s |\n", in.name, peak>>20, cpu.Seconds(), c.answers())
	}
	return nil
}

// answers are the statuses that clients had, and how often.
func (c *clients) answers() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var texts []string
	for _, status := range slices.Sorted(maps.Keys(c.statuses)) {
		texts = append(texts, fmt.Sprintf("%d × %s", c.statuses[status], status))
	}
	return strings.Join(texts, ", ")
}
