// Package ingest reads CloudEvents and appends them: from a file or a stream of JSON, one
// event per line (Append), and from an HTTP request (ParseRequest).
package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/bom"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/outbox"
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

// LineError says which line of the input cannot be taken. All before it are in.
type LineError struct {
	Line int // 1, 2, 3 …
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

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
	lines  []int // number of each event's line
	bytes  int
}

// Append reads events and appends them in order, a batch a transaction, while
// the next one is being read. A line that cannot be taken ends it with a
// LineError; where the log itself fails the error names the batch's lines, of
// which none is in. Where ctx ends first, Append does not wait for an input that
// gives nothing.
func Append(ctx context.Context, log Log, feed string, in Input) (result Result, err error) {
	reader, err := decompress(in)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", in.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, ended := make(chan batch), make(chan error, 1)
	go func() { ended <- read(ctx, bom.NewReader(reader), batches) }()
	for {
		select {
		case b := <-batches:
			if err := result.append(ctx, log, feed, b.events, b.lines); err != nil {
				return result, fmt.Errorf("%s: %w", in.Name, err)
			}
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

// append appends events in one transaction. If one of them is in the feed with
// other content, all before it are appended: one half after the other, until
// the half is that event alone.
func (r *Result) append(ctx context.Context, log Log, feed string, events []event.Event, lines []int) error {
	added, err := log.Append(ctx, feed, events)
	switch {
	case err == nil:
		r.Events += len(events)
		r.Added += added
		return nil
	case !errors.Is(err, outbox.ErrConflict):
		return fmt.Errorf("append lines %d to %d: %w", lines[0], lines[len(lines)-1], err)
	case len(events) == 1:
		return &LineError{lines[0], err}
	}
	half := len(events) / 2
	if err := r.append(ctx, log, feed, events[:half], lines[:half]); err != nil {
		return err
	}
	return r.append(ctx, log, feed, events[half:], lines[half:])
}

func decompress(in Input) (io.Reader, error) {
	switch {
	case strings.HasSuffix(in.Name, ".gz"):
		reader, err := gzip.NewReader(in.Reader)
		if err != nil {
			return nil, fmt.Errorf("not a gzip file, as its name says: %w", err)
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
		line, err := readFileLine(lines)
		if err == nil || errors.Is(err, io.EOF) { // else the line may not be whole
			err = cmp.Or(b.add(line, number), err)
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
			return &LineError{number, err}
		}
	}
}

// readLine returns the next line, and io.EOF with the last one.
func readLine(lines *bufio.Reader) (line []byte, err error) {
	for {
		part, err := lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errLineTooLong()
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func errLineTooLong() error {
	return fmt.Errorf("%w: the line has more than %d bytes", event.ErrTooLarge, maxLine)
}

func readFileLine(lines *bufio.Reader) (line []byte, err error) {
	line, err = readLine(lines)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the compressed file is cut off here: %w", err)
	case errors.Is(err, zstd.ErrMagicMismatch):
		err = fmt.Errorf("not a zstd file, as its name says: %w", err)
	}
	return line, err
}

// add parses a line. It skips an empty line.
func (b *batch) add(line []byte, number int) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	e, err := parse(line, "command was run again")
	if err != nil {
		return err
	}
	b.events = append(b.events, e)
	b.lines = append(b.lines, number)
	b.bytes += cloudevents.Size(&e)
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

// parse reads one event.
func parse(text []byte, again string) (event.Event, error) {
	e, err := cloudevents.ParseJSON(text)
	if err != nil {
		return e, err
	}
	return accept(e, again)
}

// accept holds an event to what a caller of ours must bring: without an id of
// its own it would be there twice when it is appended again, in the way that
// again says. What another feed said about its place there is left out.
func accept(e event.Event, again string) (event.Event, error) {
	if e.ID == "" {
		return e, fmt.Errorf("event has no id; without one it would be appended twice if the same %s", again)
	}
	if e.Source == "" {
		return e, fmt.Errorf("event %q has no source", e.ID)
	}
	for _, ours := range [...]string{
		cloudevents.PositionAttribute, cloudevents.RecordedAttribute, cloudevents.VersionAttribute,
		cloudevents.FeedAttribute, cloudevents.FeedIDAttribute, cloudevents.LiveAttribute,
	} {
		delete(e.Extensions, ours)
	}
	if len(e.Extensions) == 0 {
		e.Extensions = nil
	}
	return e, nil
}
