package servertest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
)

// OrdersForExample serves a short history of orders to an example, and makes a folder for
// what it writes. The example calls stop at its end.
func OrdersForExample() (url, folder string, stop func()) {
	folder, err := os.MkdirTemp("", "shipping")
	check(err)
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(folder, "orders.db"), true)
	check(err)
	orders := store.New(db)
	_, err = orders.Create(ctx, store.Feed{Name: "orders"})
	check(err)
	var events []event.Event
	for n, step := range []struct{ kind, order, data string }{
		{"OrderCreated", "o-1", `{"customer":"Ada"}`},
		{"OrderCreated", "o-2", `{"customer":"Grace"}`},
		{"OrderShipped", "o-1", `{}`},
		{"OrderCreated", "o-3", `{"customer":"Edsger"}`},
		{"OrderShipped", "o-3", `{}`},
	} {
		events = append(events, event.Event{
			ID: fmt.Sprint(n), Source: "/orders", Type: step.kind, Subject: step.order, Data: []byte(step.data),
			Time: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), DataContentType: "application/json",
		})
	}
	_, err = orders.Append(ctx, "orders", events)
	check(err)
	_, err = orders.Sequence(ctx, "orders", len(events))
	check(err)
	feeds, err := feedstate.Open(ctx, orders, slog.New(slog.DiscardHandler))
	check(err)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- feeds.Run(ctx) }()
	handler := server.New(server.Config{Log: orders, Feeds: feeds})
	web := httptest.NewServer(handler)
	return web.URL + "/feeds/orders", folder, func() {
		web.Close()
		handler.Release()
		cancel()
		check(<-ended)
		db.Close()
		check(os.RemoveAll(folder))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
