package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/outbox"
)

// measurement is what happened when, by the number of the event. A writer sets
// what happened to its events, the reader when it saw them.
type measurement struct {
	*options
	feed      string
	source    string // tells the events of this run from those of others
	start     time.Time
	committed []commit
	seen      []sight
}

// commit is when a transaction began, when its Commit was called, and when that returned.
type commit struct{ begun, called, returned time.Duration }

// sight is when an event got its position, and when the reader had it.
type sight struct{ placed, inHand time.Duration }

func newMeasurement(o *options) *measurement {
	n := int(o.duration.Seconds() * float64(o.rate))
	return &measurement{
		options: o, feed: o.from[strings.LastIndexByte(o.from, '/')+1:],
		source: fmt.Sprintf("/latency/%d/%d", os.Getpid(), time.Now().UnixNano()), start: time.Now(),
		committed: make([]commit, n), seen: make([]sight, n),
	}
}

// write appends every event whose turn it is for this writer, at its time.
func (m *measurement) write(ctx context.Context, writer int) error {
	conn, err := pgx.Connect(ctx, m.db)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	begin := time.Now()
	for n := writer; n < len(m.committed); n += m.writers {
		due := begin.Add(time.Duration(n) * time.Second / time.Duration(m.rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		if m.committed[n], err = m.append(ctx, conn, n); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) append(ctx context.Context, conn *pgx.Conn, n int) (c commit, err error) {
	c.begun = time.Since(m.start)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return c, err
	}
	_, err = outbox.Append(ctx, tx, m.feed, event.Event{
		ID: strconv.Itoa(n), Source: m.source, Type: "OrderPaid", Subject: fmt.Sprintf("order-%06d", n),
		DataContentType: "application/json",
		Data:            fmt.Appendf(nil, `{"order":%d,"currency":"EUR","lines":[{"article":"A-%d","amount":2,"price":"19.90"}],"customer":"c-%d"}`, n, n%97, n%1013),
	})
	if err != nil {
		_ = tx.Rollback(ctx)
		return c, err
	}
	c.called = time.Since(m.start)
	err = tx.Commit(ctx)
	c.returned = time.Since(m.start)
	return c, err
}
