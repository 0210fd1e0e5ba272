// Package intake appends events from a file or a stream of CloudEvents in
// JSON, one a line.
package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/event"
)

// Log is where the events go.
type Log interface {
	// Append adds events in one transaction and returns how many were new.
	Append(ctx context.Context, name string, events []event.Event) (int, error)
}

// Input is where the events come from.
type Input struct {
	Name   string // for errors; .gz and .zst at its end say how it is compressed
	Reader io.Reader
	Size   int64 // in bytes, -1 if it is not known
}

// Result counts what was appended.
type Result struct {
	Events int // read and in the feed
	Added  int // of these, those that were not there already
}

// Bounds of a transaction, and of a line: JSON can make an event of MaxSize
// some six times longer.
const (
	batchEvents = 2000
	batchBytes  = 4 << 20
	maxLine     = 8 * event.MaxSize
)

// batch is what goes into one transaction.
type batch struct {
	events []event.Event
	bytes  int
	first  int // line number of the first event
}

// Append reads events and appends them in order, a batch a transaction, while
// the next one is being read. After an error the batches before it are in; the
// error names the line, or the batch's first.
func Append(ctx context.Context, log Log, feed string, in Input) (Result, error) {
	reader, err := decompress(in)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", in.Name, err)
	}
	var result Result
	var readErr error
	batches := make(chan batch, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		// Kept apart, so that what stands before a bad line is still appended.
		readErr = read(ctx, reader, batches)
		return nil
	})
	group.Go(func() error {
		for b := range batches {
			added, err := log.Append(ctx, feed, b.events)
			if err != nil {
				return fmt.Errorf("lines from %d on: %w", b.first, err)
			}
			result.Events += len(b.events)
			result.Added += added
		}
		return nil
	})
	if err = group.Wait(); err == nil {
		err = readErr
	}
	if err != nil {
		return result, fmt.Errorf("%s: %w", in.Name, err)
	}
	return result, nil
}

func decompress(in Input) (io.Reader, error) {
	switch {
	case strings.HasSuffix(in.Name, ".gz"):
		reader, err := gzip.NewReader(in.Reader)
		if err != nil {
			return nil, fmt.Errorf("not a gzip file: %w", err)
		}
		return reader, nil
	case strings.HasSuffix(in.Name, ".zst"):
		return zstd.NewReader(in.Reader, zstd.WithDecoderConcurrency(1))
	default:
		return in.Reader, nil
	}
}

// read parses lines into batches until the end or the first bad line.
func read(ctx context.Context, reader io.Reader, batches chan<- batch) error {
	lines := bufio.NewScanner(reader)
	lines.Buffer(make([]byte, 1<<20), maxLine)
	var b batch
	send := func() error {
		if len(b.events) == 0 {
			return nil
		}
		select {
		case batches <- b:
			b = batch{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		e, err := parse(line)
		if err != nil {
			return errors.Join(send(), fmt.Errorf("line %d: %w", number, err))
		}
		if len(b.events) == 0 {
			b.first = number
		}
		b.events = append(b.events, e)
		b.bytes += e.Size()
		if len(b.events) == batchEvents || b.bytes >= batchBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("%w: more than %d bytes", event.ErrTooLarge, maxLine)
		}
		return errors.Join(send(), fmt.Errorf("line %d: %w", number+1, err))
	}
	return send()
}

// parse reads one event. Without an id of its own it would be there twice
// after the file is appended again.
func parse(line []byte) (event.Event, error) {
	e, err := event.ParseJSON(line)
	if err != nil {
		return e, err
	}
	if e.ID == "" {
		return e, errors.New("event has no id")
	}
	if e.Source == "" {
		return e, fmt.Errorf("event %q has no source", e.ID)
	}
	return e, nil
}
