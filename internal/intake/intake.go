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
// error names the line, or the batch's first. Where ctx ends first, Append does
// not wait for an input that gives nothing.
func Append(ctx context.Context, log Log, feed string, in Input) (result Result, err error) {
	reader, err := decompress(in)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", in.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, ended := make(chan batch), make(chan error, 1)
	go func() { ended <- read(ctx, reader, batches) }()
	for {
		select {
		case b := <-batches:
			added, err := log.Append(ctx, feed, b.events)
			if err != nil {
				return result, fmt.Errorf("%s: lines from %d on: %w", in.Name, b.first, err)
			}
			result.Events += len(b.events)
			result.Added += added
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%s: %w", in.Name, err)
			}
			return result, err
		case <-ctx.Done():
			return result, fmt.Errorf("%s: %w", in.Name, ctx.Err())
		}
	}
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

// read parses lines into batches until the end or the first bad line. A batch
// that is not full goes out when there is nothing more to read at the moment
// and nothing else to do, so that events of a slow stream are not held back.
func read(ctx context.Context, reader io.Reader, batches chan<- batch) error {
	lines := bufio.NewReaderSize(reader, 1<<20)
	var b batch
	for number := 1; ; number++ {
		if lines.Buffered() == 0 {
			b.offer(batches)
		}
		line, end := readLine(lines)
		err := b.add(line, number)
		if err == nil && end != nil {
			err = end
		}
		if err != nil || len(b.events) >= batchEvents || b.bytes >= batchBytes {
			if sendErr := b.send(ctx, batches); sendErr != nil {
				return sendErr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

// readLine returns the next line, and io.EOF with the last one.
func readLine(lines *bufio.Reader) (line []byte, err error) {
	for {
		part, err := lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("%w: more than %d bytes", event.ErrTooLarge, maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// add parses a line; an empty one is passed over.
func (b *batch) add(line []byte, number int) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	e, err := parse(line)
	if err != nil {
		return err
	}
	if len(b.events) == 0 {
		b.first = number
	}
	b.events = append(b.events, e)
	b.bytes += e.Size()
	return nil
}

// offer hands the batch over if someone is waiting for it.
func (b *batch) offer(batches chan<- batch) {
	if len(b.events) == 0 {
		return
	}
	select {
	case batches <- *b:
		*b = batch{}
	default:
	}
}

// send waits until the batch is taken.
func (b *batch) send(ctx context.Context, batches chan<- batch) error {
	if len(b.events) == 0 {
		return nil
	}
	select {
	case batches <- *b:
		*b = batch{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
