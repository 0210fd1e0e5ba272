package orders

import (
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
)

// ErrRefused reports a command that the rules do not allow. The error says why.
var ErrRefused = errors.New("refused")

// Command decides: it returns the events that it makes of an order, none if there is
// nothing to do, or [ErrRefused]. It is pure: after a lost race it decides again, on the
// order as it is then.
type Command func(Order) ([]event.Event, error)

// Place creates an order.
func Place(customer, address string, total int64) Command {
	return func(o Order) ([]event.Event, error) {
		switch {
		case o.Status != "":
			return refuse("the order exists already: it is %s", o.Status)
		case customer == "" || address == "":
			return refuse("an order needs a customer and an address")
		case total <= 0:
			return refuse("the total is %d cents: it must be more than 0", total)
		}
		return happens("OrderCreated", orderCreated{customer, address, total})
	}
}

// ChangeAddress has an order delivered elsewhere. It can be done until the order is
// shipped.
func ChangeAddress(address string) Command {
	return func(o Order) ([]event.Event, error) {
		switch {
		case o.Status == "":
			return refuse("there is no such order")
		case o.Status == Shipped || o.Status == Delivered:
			return refuse("the order is %s: its address can no longer be changed", o.Status)
		case address == "":
			return refuse("an order needs an address")
		case address == o.Address:
			return nil, nil
		}
		return happens("AddressChanged", addressChanged{address})
	}
}

// Approve accepts an order.
func Approve(o Order) ([]event.Event, error) { return o.step(Created, "OrderApproved", nil) }

// Pay settles an order that is approved.
func Pay(o Order) ([]event.Event, error) { return o.step(Approved, "OrderPaid", nil) }

// Prepare packs an order that is paid.
func Prepare(o Order) ([]event.Event, error) { return o.step(Paid, "OrderPrepared", nil) }

// Ship sends an order that is prepared to its address.
func Ship(o Order) ([]event.Event, error) {
	return o.step(Prepared, "OrderShipped", orderShipped{o.Address})
}

// Deliver ends an order that is shipped.
func Deliver(o Order) ([]event.Event, error) { return o.step(Shipped, "OrderDelivered", nil) }

// step refuses what may not follow: each step needs the one before it.
func (o Order) step(after Status, eventType string, data any) ([]event.Event, error) {
	switch o.Status {
	case after:
		return happens(eventType, data)
	case "":
		return refuse("there is no such order")
	default:
		return refuse("the order is %s: it must be %s for %s", o.Status, after, eventType)
	}
}

func refuse(format string, arguments ...any) ([]event.Event, error) {
	return nil, fmt.Errorf("%w: "+format, append([]any{ErrRefused}, arguments...)...)
}

// happens returns the one event of a command. The repository gives it id and subject.
func happens(eventType string, data any) ([]event.Event, error) {
	if data == nil {
		return []event.Event{{Type: eventType}}, nil
	}
	e, err := event.NewJSON(eventType, "", data)
	return []event.Event{e}, err
}
