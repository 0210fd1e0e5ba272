package orders_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/examples/orders"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// onShop runs a test on a shop without orders, in every kind of database.
func onShop(t *testing.T, test func(t *testing.T, programs, shop string, log *store.Log)) {
	t.Helper()
	t.Parallel()
	programs := build(t)
	for name, database := range storetest.Databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := database(t)
			log := newShop(t, programs, shop)
			test(t, programs, shop, log)
			storetest.Drain(t, log, orders.Feed)
			storetest.Verify(t, log, orders.Feed)
		})
	}
}

func newShop(t *testing.T, programs, shop string) *store.Log {
	t.Helper()
	log := storetest.Open(t, shop)
	_, err := log.Create(t.Context(), store.Feed{Name: orders.Feed, PageSize: 50, Entities: true})
	must.OK(t, err)
	run(t, programs, "shop", "--db", shop, "--orders", "0") // creates its table
	return log
}

// do does commands on an order that take place at a time; the zero time is now.
func do(t *testing.T, db *sql.DB, id string, at time.Time, commands ...orders.Command) {
	t.Helper()
	for _, command := range commands {
		must.OK(t, try(t.Context(), db, id, at, command))
	}
}

func try(ctx context.Context, db *sql.DB, id string, at time.Time, command orders.Command) error {
	_, err := orders.Repository.Update(ctx, entity.SQL(db), id, func(_ context.Context, _ entity.Tx, o orders.Order) ([]event.Event, error) {
		events, err := command(o)
		for i := range events {
			events[i].Time = at
		}
		return events, err
	})
	return err
}

// Which address stood on the invoice of three months ago? The shop's events say it, and
// so does a table that is built from the feed as of then.
func TestTheAddressOnTheInvoiceOfThreeMonthsAgo(t *testing.T) {
	onShop(t, func(t *testing.T, programs, shop string, log *store.Log) {
		now := time.Now().UTC()
		then := now.AddDate(0, -3, 0).Format(time.RFC3339)
		db := open(t, shop)
		do(t, db, "17", now.AddDate(0, -4, 0), orders.Place("Ada", "1 Main Street", 1995), orders.Approve, orders.Pay)
		do(t, db, "17", now.AddDate(0, -2, 0), orders.ChangeAddress("2 New Street"))
		do(t, db, "17", time.Time{}, orders.Prepare, orders.Ship)

		for arguments, want := range map[string]string{
			"show 17":                       `order 17 at version 6: {"customer":"Ada","address":"2 New Street","total":1995,"status":"shipped"}`,
			"--as-of " + then + " show 17":  `order 17 at version 3: {"customer":"Ada","address":"1 Main Street","total":1995,"status":"paid"}`,
			"--as-of " + then + " show 170": `order 170 at version 0: {"customer":"","address":"","total":0,"status":""}`,
		} {
			if printed := run(t, programs, "shop", append([]string{"--db", shop}, strings.Fields(arguments)...)...); !strings.HasPrefix(printed, want+"\n") {
				t.Errorf("shop %s: %s\nwant: %s", arguments, printed, want)
			}
		}

		url := servertest.Publish(t, log).URL + "/feeds/orders"
		eventually(t, "all events have positions", func() bool { return served(t, url) == 6 })
		for asOf, want := range map[string]string{"": "Ada, 2 New Street shipped", then: "Ada, 1 Main Street paid"} {
			shipping := testdb.SQLite(t)
			fill := []string{"run", "--from", url, "--into", shipping, "--projection", "shipping.sql", "--strict"}
			if asOf != "" {
				fill = append(fill, "--as-of", asOf)
			}
			run(t, programs, "seeder", fill...)
			if got := shipments(t, shipping)["17"]; got != want {
				t.Errorf("shipment as of %q: %s, want %s", asOf, got, want)
			}
		}
	})
}

func TestASnapshotSavesFoldingAndChangesNothingElse(t *testing.T) {
	onShop(t, func(t *testing.T, programs, shop string, _ *store.Log) {
		db := open(t, shop)
		do(t, db, "1", time.Time{}, orders.Place("Zoë", "1 Main Street", 1995), moves(199), moves(51))
		printed := run(t, programs, "shop", "--db", shop, "show", "1")
		if !strings.Contains(printed, "without its snapshot: 251\n") || !strings.Contains(printed, "with its snapshot: 51, to the same order\n") {
			t.Error(printed)
		}
	})
}

// moves changes the address of an order this often, all at once.
func moves(times int) orders.Command {
	return func(o orders.Order) (all []event.Event, err error) {
		for n := range times {
			events, err := orders.ChangeAddress(fmt.Sprintf("%d Long Road", n+1))(o)
			if err != nil {
				return nil, err
			}
			all = append(all, events...)
		}
		return all, nil
	}
}

// Of two that decide on the same version one loses, and decides again on what is so by then.
func TestWhoLosesARaceDecidesAgain(t *testing.T) {
	onShop(t, func(t *testing.T, programs, shop string, _ *store.Log) {
		db := open(t, shop)
		for n := range 5 {
			id := fmt.Sprint(n)
			do(t, db, id, time.Time{}, orders.Place("Ada", "1 Main Street", 1995), orders.Approve, orders.Pay, orders.Prepare)
			printed := run(t, programs, "shop", "--db", shop, "race", id)
			if lost := strings.Count(printed, "lost the race"); lost != 1 {
				t.Errorf("%d lost the race:\n%s", lost, printed)
			}
			o, err := orders.Repository.Load(t.Context(), entity.SQL(db), id)
			must.OK(t, err)
			tooLate := strings.Contains(printed, "its address can no longer be changed")
			if o.State.Status != orders.Shipped || (o.State.Address == "1 Main Street") != tooLate || (o.Version == 5) != tooLate {
				t.Errorf("the order is at version %d: %+v\n%s", o.Version, o.State, printed)
			}
		}
	})
}
