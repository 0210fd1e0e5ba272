package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/outbox"
)

const feed = "orders"

const schema = `CREATE TABLE IF NOT EXISTS orders (
	id       BIGINT PRIMARY KEY,
	customer TEXT   NOT NULL,
	status   TEXT   NOT NULL CHECK (status IN ('created', 'paid', 'shipped')),
	total    BIGINT NOT NULL -- in cents
)`

var errDeclined = errors.New("the payment was declined")

type order struct {
	id       int64
	customer string
	total    int64
}

// place takes an order.
func place(ctx context.Context, db *sql.DB, o order) error {
	return transact(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO orders (id, customer, status, total) VALUES ($1, $2, 'created', $3)",
			o.id, o.customer, o.total)
		if err != nil {
			return err
		}
		_, err = outbox.AppendSQL(ctx, tx, feed, o.event("OrderCreated"))
		return err
	})
}

// pay changes the order's row first. That locks it until the commit, so the
// events of one order are in the feed in the order of its transactions.
func pay(ctx context.Context, db *sql.DB, o order, accepted bool) error {
	return transact(ctx, db, func(tx *sql.Tx) error {
		if err := move(ctx, tx, o, "created", "paid"); err != nil {
			return err
		}
		if _, err := outbox.AppendSQL(ctx, tx, feed, o.event("OrderPaid")); err != nil {
			return err
		}
		if !accepted {
			return errDeclined // the rollback takes the event back too
		}
		return nil
	})
}

// ship sends several orders on their way: all of them, or none.
func ship(ctx context.Context, db *sql.DB, orders []order) error {
	return transact(ctx, db, func(tx *sql.Tx) error {
		var events []event.Event
		for _, o := range orders { // by id: who locks rows in the same order never waits in a circle
			if err := move(ctx, tx, o, "paid", "shipped"); err != nil {
				return err
			}
			events = append(events, o.event("OrderShipped"))
		}
		_, err := outbox.AppendSQL(ctx, tx, feed, events...)
		return err
	})
}

func move(ctx context.Context, tx *sql.Tx, o order, from, to string) error {
	result, err := tx.ExecContext(ctx, "UPDATE orders SET status = $1 WHERE id = $2 AND status = $3", to, o.id, from)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("order %d is not %s", o.id, from))
	}
	return nil
}

// event says what has happened to the order. Its id, source and time are left
// to the outbox.
func (o order) event(kind string) event.Event {
	data, err := json.Marshal(map[string]any{"customer": o.customer, "total": o.total})
	if err != nil {
		panic(err) // a string and a number always have a JSON form
	}
	return event.Event{Type: kind, Subject: strconv.FormatInt(o.id, 10), DataContentType: "application/json", Data: data}
}

// transact runs step in a transaction: its rows and events are there together,
// or not at all.
func transact(ctx context.Context, db *sql.DB, step func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := step(tx); err != nil {
		return err
	}
	return tx.Commit()
}
