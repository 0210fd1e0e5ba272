package event_test

import (
	"encoding/json"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
)

type payment struct {
	Amount int    `json:"amount"`
	By     string `json:"by"`
}

func ExampleNewJSON() {
	e, err := event.NewJSON("OrderPaid", "o-1", payment{Amount: 5, By: "card"})
	if err != nil {
		fmt.Println(err)
		return
	}
	e.ID = "payment-7" // the same append again is no second event
	fmt.Printf("%s, %s of %s, %s: %s\n", e.ID, e.Type, e.Subject, e.DataContentType, e.Data)
	// Output:
	// payment-7, OrderPaid of o-1, application/json: {"amount":5,"by":"card"}
}

// What a consumer gets of that event.
func ExampleDelivered() {
	delivered := event.Delivered{
		Placed: event.Placed{
			Event:    event.Event{ID: "payment-7", Type: "OrderPaid", Subject: "o-1", Data: []byte(`{"amount":5,"by":"card"}`)},
			Position: 12,
		},
		Feed: "orders",
	}
	var paid payment
	if err := json.Unmarshal(delivered.Data, &paid); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("event %d of %s: %s paid by %s\n", delivered.Position, delivered.Feed, delivered.Subject, paid.By)
	// Output:
	// event 12 of orders: o-1 paid by card
}
