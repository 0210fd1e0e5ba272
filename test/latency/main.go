// Command latency measures how long it takes from a writer's commit until the
// event is in a reader's hands. Writers and readers are one process, so that
// they have one clock.
//
//	go run ./test/latency -db postgres://… -from http://127.0.0.1:8080/feeds/events -by wait -readers 1
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// options are what to measure.
type options struct {
	db, from string
	by       string
	readers  int
	writers  int
	rate     int
	duration time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.db, "db", "", "the database's `URL`")
	flag.StringVar(&o.from, "from", "", "the feed's `URL`")
	flag.StringVar(&o.by, "by", "wait", "how readers follow: wait or stream")
	flag.IntVar(&o.readers, "readers", 1, "how many readers follow; the first one decodes and measures, the others take what they are sent")
	flag.IntVar(&o.writers, "writers", 16, "how many writers append, each on a connection of its own")
	flag.IntVar(&o.rate, "rate", 1000, "how many transactions a second, of one event each, all writers do together")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "for how long")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		fmt.Fprintf(os.Stderr, "latency: %v\n", err)
		os.Exit(1)
	}
}

// patience is how long readers may take to see the last event.
const patience = time.Minute

func run(ctx context.Context, o *options) error {
	follow, found := map[string]follower{"wait": wait, "stream": stream}[o.by]
	if !found {
		return fmt.Errorf("readers follow by wait or by stream, not by %q", o.by)
	}
	m := newMeasurement(o)
	readers, reading := errgroup.WithContext(ctx) // ends if a reader fails
	following, stop := context.WithCancel(reading)
	defer stop()
	ready := make(chan struct{}, o.readers)
	for i := range o.readers {
		readers.Go(func() error {
			r := &reader{measurement: m, from: o.from, idle: i > 0, ready: func() { ready <- struct{}{} }}
			if !r.idle {
				defer stop() // the others only follow along
			}
			return r.run(following, follow)
		})
	}
	for range o.readers {
		select {
		case <-ready:
		case <-reading.Done():
			return readers.Wait()
		}
	}
	writers, writing := errgroup.WithContext(reading)
	for i := range o.writers {
		writers.Go(func() error { return m.write(writing, i) })
	}
	if err := writers.Wait(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	late := time.AfterFunc(patience, stop)
	defer late.Stop()
	if err := readers.Wait(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	m.report()
	return nil
}
