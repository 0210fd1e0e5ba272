package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/examples/orders"
)

// show prints an order as it is, or as it was at a time.
func show(ctx context.Context, db *sql.DB, id, asOf string) error {
	if asOf == "" {
		return rebuild(ctx, db, id)
	}
	at, err := time.Parse(time.RFC3339, asOf)
	if err != nil {
		return err
	}
	o, err := orders.Repository.LoadAsOf(ctx, entity.SQL(db), id, at)
	if err != nil {
		return err
	}
	return printOrder(o)
}

// rebuild prints an order, and how many events it takes with its snapshot and without.
func rebuild(ctx context.Context, db *sql.DB, id string) error {
	o, err := orders.Repository.Load(ctx, entity.SQL(db), id) // keeps a snapshot, if one is due
	if err != nil {
		return err
	}
	var all, few int
	without, err := counting(&all, 0).LoadVersion(ctx, entity.SQL(db), id, o.Version)
	if err != nil {
		return err
	}
	with, err := counting(&few, orders.Repository.SnapshotEvery).LoadVersion(ctx, entity.SQL(db), id, o.Version)
	if err != nil {
		return err
	}
	if o.State != without.State || o.State != with.State {
		return fmt.Errorf("order %s: with its snapshot it is %+v, without %+v", id, with.State, without.State)
	}
	if err := printOrder(o); err != nil {
		return err
	}
	fmt.Printf("events folded without its snapshot: %d\nevents folded with its snapshot: %d, to the same order\n", all, few)
	return nil
}

// counting returns a repository of the same orders and snapshots that counts the events
// it folds.
func counting(folded *int, snapshotEvery int) *entity.Repository[orders.Order] {
	return &entity.Repository[orders.Order]{
		Feed: orders.Feed,
		Apply: func(o orders.Order, e event.Event) (orders.Order, error) {
			*folded++
			return orders.Apply(o, e)
		},
		SnapshotEvery: snapshotEvery,
	}
}

func printOrder(o entity.Entity[orders.Order]) error {
	state, err := json.Marshal(o.State)
	if err != nil {
		return err
	}
	fmt.Printf("order %s at version %d: %s\n", o.Subject, o.Version, state)
	return nil
}
