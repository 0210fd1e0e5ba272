package orders

import (
	"encoding/json"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
)

// Feed is the name of the feed of orders.
const Feed = "orders"

// Repository rebuilds orders from their events.
var Repository = &entity.Repository[Order]{Feed: Feed, Apply: Apply, SnapshotEvery: 100}

// Order is the state of an order. The zero Order was never placed.
type Order struct {
	Customer string `json:"customer"`
	Address  string `json:"address"` // where it is delivered
	Total    int64  `json:"total"`   // in cents
	Status   Status `json:"status"`
}

// Status is how far an order is.
type Status string

// An order has these statuses one after the other.
const (
	Created   Status = "created"
	Approved  Status = "approved"
	Paid      Status = "paid"
	Prepared  Status = "prepared"
	Shipped   Status = "shipped"
	Delivered Status = "delivered"
)

// What events say, besides their type.
type (
	orderCreated struct {
		Customer string `json:"customer"`
		Address  string `json:"address"`
		Total    int64  `json:"total"`
	}
	addressChanged struct {
		Address string `json:"address"`
	}
	orderShipped struct {
		Address string `json:"address"` // where the parcel has gone
	}
)

// Apply returns an order after an event. It refuses nothing: this has happened already.
// Events that it does not know change nothing.
func Apply(o Order, e event.Event) (Order, error) {
	switch e.Type {
	case "OrderCreated":
		var data orderCreated
		err := json.Unmarshal(e.Data, &data)
		return Order{data.Customer, data.Address, data.Total, Created}, err
	case "AddressChanged":
		var data addressChanged
		err := json.Unmarshal(e.Data, &data)
		o.Address = data.Address
		return o, err
	case "OrderApproved":
		o.Status = Approved
	case "OrderPaid":
		o.Status = Paid
	case "OrderPrepared":
		o.Status = Prepared
	case "OrderShipped":
		o.Status = Shipped
	case "OrderDelivered":
		o.Status = Delivered
	}
	return o, nil
}
