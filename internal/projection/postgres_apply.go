package projection

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// How much is sent before the answers to what was sent before it are read, so
// that PostgreSQL is at work meanwhile and neither side keeps much in memory.
const (
	chunkStatements = 512
	chunkBytes      = 256 << 10
)

// Apply runs the statements of a batch's events in order, without waiting for
// one before the next is sent.
func (p *Postgres) Apply(ctx context.Context, tx pgx.Tx, b sink.Batch) (outcome sink.Outcome, err error) {
	if p.conn != tx.Conn() {
		if err := p.Prepare(ctx, tx); err != nil {
			return outcome, err
		}
	}
	line := &pipeline{Pipeline: tx.Conn().PgConn().StartPipeline(ctx)}
	if p.schema != "" {
		line.SendQueryParams(p.searchPath(), nil, nil, nil, nil)
		line.sent = append(line.sent, sent{})
	}
	refused := p.send(line, b, &outcome)
	if err = line.end(); err == nil {
		err = refused // the last one
	}
	return outcome, err
}

func (p *Postgres) send(line *pipeline, b sink.Batch, outcome *sink.Outcome) error {
	for i := range b.Events {
		e := &b.Events[i]
		plan := p.of(e)
		if !plan.known {
			if err := count(outcome, p.projection, p.strict, e); err != nil {
				return err
			}
		}
		for _, s := range plan.statements {
			if !line.add(e, s) {
				return nil
			}
		}
	}
	return nil
}

// pipeline is statements on their way. Its errors stay in it.
type pipeline struct {
	*pgconn.Pipeline
	values encoder
	sent   []sent // whose answers have not been read
	chunks []int  // the number of statements in each chunk that is on its way
	queued int    // statements
	bytes  int
	err    error
}

// sent is a statement that was sent for an event; for none if it is ours.
type sent struct {
	event     *event.Delivered
	statement *postgresStatement
}

// add sends a statement, and reports whether to go on.
func (l *pipeline) add(e *event.Delivered, s *postgresStatement) bool {
	values, size := l.values.encode(s.distinct, e)
	if s.described != nil {
		l.SendQueryStatement(s.described, values, binaryFormat, nil)
	} else {
		l.SendQueryParams(s.sql, values, s.types, binaryFormat, nil)
		size += len(s.sql)
	}
	l.sent = append(l.sent, sent{e, s})
	l.queued++
	l.bytes += size
	if l.queued < chunkStatements && l.bytes < chunkBytes {
		return true
	}
	l.flush()
	for l.err == nil && len(l.chunks) > 1 {
		l.read()
	}
	return l.err == nil
}

// flush sends what is queued.
func (l *pipeline) flush() {
	l.queued, l.bytes = 0, 0
	l.chunks = append(l.chunks, 0)
	if err := l.Sync(); err != nil && l.err == nil {
		l.err = fmt.Errorf("send statements: %w", err)
	}
}

// read reads the answers to one chunk.
func (l *pipeline) read() {
	l.chunks = l.chunks[1:]
	n := 0
	for l.err == nil {
		results, err := l.GetResults()
		switch answer := results.(type) {
		case *pgconn.PipelineSync:
			l.sent = append(l.sent[:0], l.sent[n:]...)
			return
		case *pgconn.ResultReader:
			_, err = answer.Close()
		}
		if err != nil && n < len(l.sent) && l.sent[n].event != nil {
			l.err = l.sent[n].statement.eventError(l.sent[n].event, err)
		} else if err != nil {
			l.err = err
		}
		n++
	}
}

// end reads all that is left and gives the connection back.
func (l *pipeline) end() error {
	if l.err == nil {
		l.flush()
	}
	for l.err == nil && len(l.chunks) > 0 {
		l.read()
	}
	if err := l.Close(); l.err == nil && err != nil {
		l.err = err
	}
	return l.err
}
