package seed_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/outbox"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// A service reads in another database what it has just written to the feed: it asks for
// the event's position, and waits until the consumer of that database has applied it.
func ExampleWait() {
	orders, folder, stop := servertest.OrdersForExample()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	target := seedsqlite.Open(filepath.Join(folder, "shipping.db")).Inbox()
	ended := make(chan error)
	running, end := context.WithCancel(ctx)
	defer end()
	go func() { // mostly seeder run --follow, in another process
		ended <- seed.Run(running, seed.Config{From: []string{orders}, Into: target, Follow: true})
	}()

	shop, err := sql.Open("sqlite", filepath.Join(folder, "orders.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = shop.Close() }()
	position, err := outbox.PositionSQL(ctx, shop, "orders", "/orders", "4")
	if err == nil {
		err = seed.Wait(ctx, target, "", "orders", position)
	}
	fmt.Println("applied up to position", position, err)

	end()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	// Output:
	// applied up to position 5 <nil>
}
