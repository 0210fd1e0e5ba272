package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/examples/orders"
	"github.com/eventfeed/eventfeed/outbox"
)

// race lets a customer change the address of an order while the warehouse ships it. Both
// decide on the same version. The one whose append comes later decides again: the parcel
// goes to the new address, or the customer hears that it is too late.
func race(ctx context.Context, db *sql.DB, id string) error {
	seen, err := orders.Repository.Load(ctx, entity.SQL(db), id)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return insist(ctx, db, "customer", customer(seen.State.Customer), seen, orders.ChangeAddress("3 Other Road"))
	})
	group.Go(func() error { return insist(ctx, db, "warehouse", warehouse, seen, orders.Ship) })
	return group.Wait()
}

// insist does a command on an order that was loaded before, until it is done or refused.
// [entity.Repository.Update] does this too; here one can look on.
func insist(ctx context.Context, db *sql.DB, who string, by outbox.Auth, o entity.Entity[orders.Order], command orders.Command) error {
	ctx = outbox.WithAuth(ctx, by)
	for {
		after, err := attempt(ctx, db, o, command)
		switch {
		case err == nil:
			fmt.Printf("%s: decided at version %d, and appended: now the order is at version %d and %s, to %s\n",
				who, o.Version, after.Version, after.State.Status, after.State.Address)
			return nil
		case errors.Is(err, orders.ErrRefused):
			fmt.Printf("%s: decided at version %d: %v\n", who, o.Version, err)
			return nil
		case !errors.Is(err, entity.ErrVersion):
			return err
		}
		fmt.Printf("%s: decided at version %d, but lost the race; loads the order and decides again\n", who, o.Version)
		if o, err = orders.Repository.Load(ctx, entity.SQL(db), o.Subject); err != nil {
			return err
		}
	}
}

// attempt does a command once, on the order as it was loaded.
func attempt(ctx context.Context, db *sql.DB, o entity.Entity[orders.Order], command orders.Command) (after entity.Entity[orders.Order], err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return after, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	events, err := decide(ctx, tx, o.Subject, o.State, command)
	if err != nil {
		return after, err
	}
	if after, err = orders.Repository.Append(ctx, entity.SQLTx(tx), o, events...); err != nil {
		return after, err
	}
	return after, tx.Commit()
}
