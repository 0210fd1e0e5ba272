package seed_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// count returns a handler that counts the events of a type.
func count(kind string, n *int) func(context.Context, *sql.Tx, seed.Batch) error {
	return func(_ context.Context, _ *sql.Tx, batch seed.Batch) error {
		for _, e := range batch.Events {
			if e.Type == kind {
				*n++
			}
		}
		return nil
	}
}

// refuse returns a handler that cannot apply the events of one order.
func refuse(order string) func(context.Context, *sql.Tx, seed.Batch) error {
	return func(_ context.Context, _ *sql.Tx, batch seed.Batch) error {
		for _, e := range batch.Events {
			if e.Subject == order {
				return fmt.Errorf("position %d: order %s is unknown: %w", e.Position, order, seed.ErrOwn)
			}
		}
		return nil
	}
}

// An event that cannot be applied waits in the target, and with it every later one of its
// entity. All others go on.
func ExampleParked() {
	orders, folder, stop := servertest.OrdersForExample()
	defer stop()
	ctx := context.Background()
	target := seedsqlite.Open(filepath.Join(folder, "shipping.db")).Handle(refuse("o-3"))
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: target, OnError: seed.Park}); err != nil {
		fmt.Println(err)
	}
	for parked, err := range seed.Parked(ctx, target, seed.ParkedFilter{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("position %d, %s of %s, %q\n", parked.Position, parked.Type, parked.Subject, parked.Error)
	}
	// Output:
	// position 4, OrderCreated of o-3, "position 4: order o-3 is unknown: the event is not what it should be"
	// position 5, OrderShipped of o-3, ""
}

// What was parked is applied, in order, once its cause is mended.
func ExampleRetry() {
	orders, folder, stop := servertest.OrdersForExample()
	defer stop()
	ctx := context.Background()
	shipping := seedsqlite.Open(filepath.Join(folder, "shipping.db"))
	err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: shipping.Handle(refuse("o-3")), OnError: seed.Park})
	if err != nil {
		fmt.Println(err)
	}

	shipped := 0
	retried, err := seed.Retry(ctx, shipping.Handle(count("OrderShipped", &shipped)), seed.DefaultConsumer, seed.RetryOptions{Subject: "o-3"})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(retried.Applied, "are applied,", retried.Left, "are left,", shipped, "of them is a shipment")
	// Output:
	// 2 are applied, 0 are left, 1 of them is a shipment
}
