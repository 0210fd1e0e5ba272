package seed_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// After a restore of the feed's server, its history differs after some position. A LostError says which, and an inbox goes back to it.
func ExampleRewind() {
	orders, folder, stop := servertest.OrdersForExample()
	defer stop()
	ctx := context.Background()
	config := seed.Config{From: []string{orders}, Into: seedsqlite.Open(filepath.Join(folder, "shipping.db")).Inbox()}
	if err := seed.Run(ctx, config); err != nil {
		fmt.Println(err)
	}

	err := seed.Rewind(ctx, config, 3, func(changes []seed.Change) error {
		for _, c := range changes {
			fmt.Printf("%s goes from %d to %d, %d events leave %s\n", c.Feed, c.From, c.To, c.Events, c.Inbox)
		}
		return nil // an error would leave all as it is
	})
	if err != nil {
		fmt.Println(err)
	}
	config.Progress = func(p seed.Progress) { fmt.Println("position", p.Feeds[0].Position, "of", p.Feeds[0].Head) }
	if err := seed.Run(ctx, config); err != nil {
		fmt.Println(err)
	}
	// Output:
	// orders goes from 5 to 3, 2 events leave eventfeed_inbox_events
	// position 3 of 5
	// position 5 of 5
}

// A consumer begins again at the first event, once what its handler wrote is undone.
func ExampleReset() {
	orders, folder, stop := servertest.OrdersForExample()
	defer stop()
	ctx := context.Background()
	shipped := 0 // a table of the caller's, as it were
	target := seedsqlite.Open(filepath.Join(folder, "shipping.db")).Handle(count("OrderShipped", &shipped))
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: target}); err != nil {
		fmt.Println(err)
	}

	err := seed.Reset(ctx, target, seed.DefaultConsumer, false, nil)
	fmt.Println(err)
	shipped = 0
	if err := seed.Reset(ctx, target, seed.DefaultConsumer, true, nil); err != nil {
		fmt.Println(err)
	}
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: target}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(shipped, "orders are shipped")
	// Output:
	// consumer default: its events were applied by a handler of a Go program's, and only you can undo what that wrote for positions 1 to 5; nothing was changed
	// 2 orders are shipped
}
