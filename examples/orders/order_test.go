package orders_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/examples/orders"
)

var (
	placed  = orders.Place("Ada", "1 Main Street", 1995)
	moved   = orders.ChangeAddress("2 New Street")
	allDone = []orders.Command{placed, orders.Approve, orders.Pay, orders.Prepare, orders.Ship, orders.Deliver}
)

// history returns the events of commands, each on what those before it have made of the order.
func history(t *testing.T, commands ...orders.Command) (all []event.Event) {
	t.Helper()
	for _, command := range commands {
		events, err := command(fold(t, all))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

func fold(t *testing.T, events []event.Event) orders.Order {
	t.Helper()
	o, err := orders.Repository.Fold(orders.Order{}, events...)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestEventsMakeAnOrder(t *testing.T) {
	t.Parallel()
	events := history(t, append([]orders.Command{placed, moved}, allDone[1:]...)...)
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	want := "OrderCreated AddressChanged OrderApproved OrderPaid OrderPrepared OrderShipped OrderDelivered"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("events: %s, want %s", got, want)
	}
	if o := fold(t, events); o != (orders.Order{Customer: "Ada", Address: "2 New Street", Total: 1995, Status: orders.Delivered}) {
		t.Errorf("order: %+v", o)
	}
	if data := string(events[5].Data); data != `{"address":"2 New Street"}` {
		t.Errorf("OrderShipped says %s", data)
	}
}

// Each step follows the one before it, and no other.
func TestStepsFollowOneAnother(t *testing.T) {
	t.Parallel()
	for done := range len(allDone) + 1 {
		o := fold(t, history(t, allDone[:done]...))
		for next, command := range allDone {
			events, err := command(o)
			if next == done && (err != nil || len(events) != 1) || next != done && !errors.Is(err, orders.ErrRefused) {
				t.Errorf("step %d of an order that is %q: %v, %v", next+1, o.Status, events, err)
			}
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before  []orders.Command
		command orders.Command
		want    string
	}{
		"twice":             {allDone[:1], placed, "refused: the order exists already: it is created"},
		"for nobody":        {nil, orders.Place("", "1 Main Street", 1995), "refused: an order needs a customer and an address"},
		"for nothing":       {nil, orders.Place("Ada", "1 Main Street", 0), "refused: the total is 0 cents: it must be more than 0"},
		"unknown":           {nil, orders.Pay, "refused: there is no such order"},
		"not yet paid":      {allDone[:2], orders.Prepare, "refused: the order is approved: it must be paid for OrderPrepared"},
		"moved, unknown":    {nil, moved, "refused: there is no such order"},
		"moved to nowhere":  {allDone[:1], orders.ChangeAddress(""), "refused: an order needs an address"},
		"moved, on its way": {allDone[:5], moved, "refused: the order is shipped: its address can no longer be changed"},
	} {
		events, err := test.command(fold(t, history(t, test.before...)))
		if err == nil || err.Error() != test.want || !errors.Is(err, orders.ErrRefused) || events != nil {
			t.Errorf("%s: %v, %v, want the error %s", name, events, err, test.want)
		}
	}
}

func TestNothingHappensWhereNothingChanges(t *testing.T) {
	t.Parallel()
	if events := history(t, placed, moved, orders.ChangeAddress("2 New Street")); len(events) != 2 {
		t.Errorf("events: %v", events)
	}
}
