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

// How much is sent before the answers to what was sent before it are read, so
// that PostgreSQL is at work meanwhile and neither side keeps much in memory.
const (
	chunkStatements = 512
	chunkBytes      = 256 << 10
)

// Apply runs the statements of a batch's events in order, without waiting for
// one before the next is sent. It returns an error if they have changed a setting
// that the rows depend on, which would last for the events after them.
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
		err = refused // the last one
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

// pipeline is statements on their way. Its errors stay in it.
//
// Nothing may be sent once it is broken: pgx closes a broken connection in the
// background, by writing to it, and panics if another write meets that one.
type pipeline struct {
	*pgconn.Pipeline
	conn   *pgconn.PgConn
	values encoder
	sent   []sent // whose answers have not been read
	chunks int    // that were sent, and whose answers have not been read
	queued int    // statements
	bytes  int
	err    error // the first one
	broken bool  // the connection is lost: no answer comes, and nothing may be sent

	prepared map[*statement]bool // for as long as the pipeline lasts
}

// sent is a statement that was sent for an event; for none if it is ours.
type sent struct {
	event     *event.Delivered
	statement *statement
	values    *[]string // where the row that it returns goes; nil for none
}

// add sends a statement, and reports whether to go on.
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

// askSettings queues a query for the values of the settings that the rows depend on.
func (l *pipeline) askSettings(values *[]string) {
	if l.broken {
		return
	}
	l.SendQueryParams(rowsettings.Query, nil, nil, nil, nil)
	l.sent = append(l.sent, sent{values: values})
}

// flush sends what is queued.
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

// fail takes the first error.
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

// read reads the answers to one chunk. There are fewer than statements behind
// one that failed.
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

// end reads all that is left and gives the connection back.
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

// deallocate sends that nothing prepared is needed any more. It is not sent with
// the other statements, where none is done that follows one that failed.
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
