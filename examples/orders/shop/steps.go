package main

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/examples/orders"
	"github.com/eventfeed/eventfeed/outbox"
)

// The shop's own table is for lists: what is decided is decided on the events.
const schema = `CREATE TABLE IF NOT EXISTS orders (
	id       TEXT   PRIMARY KEY,
	customer TEXT   NOT NULL,
	address  TEXT   NOT NULL,
	status   TEXT   NOT NULL,
	total    BIGINT NOT NULL -- in cents
)`

// Who does what, as it is recorded with each event.
var (
	clerk     = outbox.Auth{Type: "user", ID: "clerk"}
	bank      = outbox.Auth{Type: "service_account", ID: "bank"}
	warehouse = outbox.Auth{Type: "service_account", ID: "warehouse"}
)

func customer(name string) outbox.Auth { return outbox.Auth{Type: "app_user", ID: name} }

var errDeclined = errors.New("the payment was declined")

// do does a command on one order: it loads the order, decides, writes and commits, and
// all of it again if another transaction was faster.
func do(ctx context.Context, db *sql.DB, by outbox.Auth, id string, command orders.Command) error {
	_, err := orders.Repository.Update(outbox.WithAuth(ctx, by), entity.SQL(db), id,
		func(ctx context.Context, tx entity.Tx, o orders.Order) ([]event.Event, error) {
			return decide(ctx, tx.SQL(), id, o, command)
		})
	return err
}

// doAll does a command on several orders in one transaction: on all of them, or on none.
func doAll(ctx context.Context, db *sql.DB, by outbox.Auth, ids []string, command orders.Command) error {
	return entity.Retry(outbox.WithAuth(ctx, by), entity.SQL(db), func(ctx context.Context, tx entity.Tx) error {
		for _, id := range slices.Sorted(slices.Values(ids)) { // so that no two wait for each other
			if err := doIn(ctx, tx, id, command); err != nil {
				return err
			}
		}
		return nil
	})
}

// pay takes the payment of an order, if the bank has accepted it.
func pay(ctx context.Context, db *sql.DB, id string, accepted bool) error {
	return entity.Retry(outbox.WithAuth(ctx, bank), entity.SQL(db), func(ctx context.Context, tx entity.Tx) error {
		if err := doIn(ctx, tx, id, orders.Pay); err != nil {
			return err
		}
		if !accepted {
			return errDeclined // the rollback takes the event back too
		}
		return nil
	})
}

// doIn does a command on an order in a transaction.
func doIn(ctx context.Context, tx entity.Tx, id string, command orders.Command) error {
	o, err := orders.Repository.Load(ctx, tx.DB(), id)
	if err != nil {
		return err
	}
	events, err := decide(ctx, tx.SQL(), id, o.State, command)
	if err != nil {
		return err
	}
	_, err = orders.Repository.Append(ctx, tx, o, events...)
	return err
}

// decide runs a command, and brings the order's row to what its events make of the order.
func decide(ctx context.Context, tx *sql.Tx, id string, o orders.Order, command orders.Command) ([]event.Event, error) {
	events, err := command(o)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if o, err = orders.Apply(o, e); err != nil {
			return nil, err
		}
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO orders (id, customer, address, status, total) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET address = excluded.address, status = excluded.status`,
		id, o.Customer, o.Address, o.Status, o.Total)
	return events, err
}
