package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/rowsettings"
)

// The size of a chunk. A chunk is sent before the answers to the previous one are read, so that
// PostgreSQL works meanwhile and neither side needs much memory.
const (
	chunkStatements = 512
	chunkBytes      = 256 << 10
)

// Apply runs the statements of a batch's events in order, without waiting for one before it sends
// the next. It returns an error if they have changed a setting that rows depend on, because the
// change would also affect the events after them.
func (s *Sink) Apply(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) (outcome checkpoint.Outcome, err error) {
	conn := tx.Conn().PgConn()
	line := &pipeline{Pipeline: conn.StartPipeline(ctx), conn: conn, prepared: make(map[*statement]bool)}
	for _, setting := range s.settings {
		line.SendQueryParams(setting, nil, nil, nil, nil)
		line.sent = append(line.sent, sent{})
	}
	var before, after []string
	line.askSettings(&before)
	refused := s.send(line, b, &outcome)
	line.askSettings(&after)
	if err = line.end(); err == nil {
		err = refused // that of the last event sent
	}
	if err == nil && len(b.Events) > 0 {
		err = checkUnchanged(b.Events, before, after)
	}
	return outcome, err
}

// checkUnchanged compares the settings before a batch's events with those after them.
func checkUnchanged(events []event.Delivered, before, after []string) error {
	if slices.Equal(before, after) {
		return nil
	}
	of := "the block of this event"
	if last := &events[len(events)-1]; len(events) > 1 {
		of = fmt.Sprintf("the block of this event or of a later one, up to feed %s, position %d,", last.Feed, last.Position)
	}
	for i, name := range rowsettings.Names {
		if i < len(before) && i < len(after) && before[i] != after[i] {
			return projection.FailedEvent(&events[0], fmt.Errorf("%s changes the setting %s from %q to %q; a block may not change it: it %s", of, name, before[i], after[i], projection.OtherEvents))
		}
	}
	return projection.FailedEvent(&events[0], errors.New("PostgreSQL has not returned its settings"))
}

func (s *Sink) send(line *pipeline, b checkpoint.Batch, outcome *checkpoint.Outcome) error {
	for i := range b.Events {
		e := &b.Events[i]
		statements, err := s.Of(e, outcome)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if !line.add(e, statement) {
				return nil
			}
		}
	}
	return nil
}

// pipeline sends statements without waiting for their answers. It keeps the first error.
//
// Nothing may be sent after it is broken: pgx closes a broken connection in the background, by
// writing to it, and panics if another write runs at the same time.
type pipeline struct {
	*pgconn.Pipeline
	conn   *pgconn.PgConn
	values encoder
	sent   []sent // statements whose answers were not read yet
	chunks int    // chunks whose answers were not read yet
	queued int    // statements of the current chunk
	bytes  int    // size of the current chunk
	err    error  // the first error
	broken bool   // the connection is lost: no answer comes, and nothing may be sent

	prepared map[*statement]bool // statements that this pipeline has prepared
}

// sent is a statement that was sent; event is nil for the seeder's own statements.
type sent struct {
	event     *event.Delivered
	statement *statement
	values    *[]string // receives the row that the statement returns; nil if none is needed
}

// add sends a statement. It reports whether more may be sent.
func (l *pipeline) add(e *event.Delivered, s *statement) bool {
	if l.broken {
		return false
	}
	if !l.prepared[s] {
		l.prepared[s] = true
		l.SendPrepare(s.name, s.sql, s.types)
		l.sent = append(l.sent, sent{event: e, statement: s})
	}
	values, size := l.values.encode(s.Distinct, e)
	l.SendQueryPrepared(s.name, values, binaryFormat, nil)
	l.sent = append(l.sent, sent{event: e, statement: s})
	l.queued++
	l.bytes += size
	if l.queued < chunkStatements && l.bytes < chunkBytes {
		return true
	}
	l.flush()
	if l.chunks > 1 {
		l.read()
	}
	return l.err == nil
}

// askSettings queues a query for the settings that rows depend on.
func (l *pipeline) askSettings(values *[]string) {
	if l.broken {
		return
	}
	l.SendQueryParams(rowsettings.Query, nil, nil, nil, nil)
	l.sent = append(l.sent, sent{values: values})
}

// flush sends the current chunk.
func (l *pipeline) flush() {
	if l.broken {
		return
	}
	l.queued, l.bytes = 0, 0
	l.chunks++
	if err := l.Sync(); err != nil {
		l.fail(sent{}, err)
	}
}

// fail keeps the first error, and detects a lost connection.
func (l *pipeline) fail(of sent, err error) {
	if _, answered := errors.AsType[*pgconn.PgError](err); !answered || l.conn.IsClosed() {
		l.broken = true
	}
	if l.err == nil && of.event != nil {
		err = of.statement.eventError(of.event, err)
	}
	if l.err == nil {
		l.err = err
	}
}

// read reads the answers to one chunk. Statements after a failed one have no answer.
func (l *pipeline) read() {
	l.chunks--
	for n := 0; !l.broken; n++ {
		results, err := l.GetResults()
		switch answer := results.(type) {
		case *pgconn.PipelineSync:
			l.sent = append(l.sent[:0], l.sent[min(n, len(l.sent)):]...)
			return
		case *pgconn.ResultReader:
			if n < len(l.sent) && l.sent[n].values != nil {
				*l.sent[n].values = rowOf(answer)
			}
			_, err = answer.Close()
		case nil:
			if err == nil {
				err = errors.New("PostgreSQL has sent no answer")
			}
		}
		if err != nil {
			var of sent
			if n < len(l.sent) {
				of = l.sent[n]
			}
			l.fail(of, err)
		}
	}
}

// rowOf returns the values of the last row of a result; nil if there is none.
func rowOf(result *pgconn.ResultReader) (row []string) {
	for result.NextRow() {
		row = nil
		for _, value := range result.Values() {
			row = append(row, string(value))
		}
	}
	return row
}

// end reads the remaining answers and closes the pipeline.
func (l *pipeline) end() error {
	l.flush()
	l.deallocate()
	for l.chunks > 0 && !l.broken {
		l.read()
	}
	if err := l.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}

// deallocate deallocates the prepared statements, in a chunk of its own: in the chunk of a failed
// statement it would not run.
func (l *pipeline) deallocate() {
	if l.broken || len(l.prepared) == 0 {
		return
	}
	for s := range l.prepared {
		l.SendDeallocate(s.name)
		l.sent = append(l.sent, sent{})
	}
	l.flush()
}
