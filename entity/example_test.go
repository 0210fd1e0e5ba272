package entity_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
)

// Customer is an entity: what the events of one customer tell.
type Customer struct {
	Address string `json:"address"`
}

var customers = &entity.Repository[Customer]{
	Feed: "customers",
	Apply: func(c Customer, e event.Event) (Customer, error) {
		if e.Type == "CustomerMoved" {
			return c, json.Unmarshal(e.Data, &c)
		}
		return c, nil
	},
	SnapshotEvery: 100,
}

// A customer moves, once. The function decides on the state; it runs again if another
// transaction was faster.
func ExampleRepository_Update() {
	db, remove := openFeed("customers")
	defer remove()
	ctx := context.Background()
	errSame := errors.New("that is the address already")
	moveTo := func(address string) error {
		c, err := customers.Update(ctx, entity.SQL(db), "c-7", func(_ context.Context, _ entity.Tx, c Customer) ([]event.Event, error) {
			if c.Address == address {
				return nil, errSame
			}
			moved, err := event.NewJSON("CustomerMoved", "", Customer{Address: address})
			return []event.Event{moved}, err
		})
		fmt.Println(c.Version, c.State.Address, err)
		return err
	}
	for _, address := range []string{"1 High Street", "2 Low Road", "2 Low Road"} {
		_ = moveTo(address) // it has printed the error
	}
	// Output:
	// 1 1 High Street <nil>
	// 2 2 Low Road <nil>
	// 0  update Customer "c-7": that is the address already
}

// An invoice of January went to the address that was known then.
func ExampleRepository_LoadAsOf() {
	db, remove := openFeed("customers")
	defer remove()
	ctx := context.Background()
	january := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	for months, address := range []string{"1 High Street", "2 Low Road"} {
		_, err := customers.Update(ctx, entity.SQL(db), "c-7", func(context.Context, entity.Tx, Customer) ([]event.Event, error) {
			moved, err := event.NewJSON("CustomerMoved", "", Customer{Address: address})
			moved.Time = january.AddDate(0, 2*months, 0)
			return []event.Event{moved}, err
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	c, err := customers.LoadAsOf(ctx, entity.SQL(db), "c-7", january.AddDate(0, 1, 0))
	fmt.Println(c.State.Address, err)
	// Output:
	// 1 High Street <nil>
}

// Account is an entity with a balance.
type Account struct {
	Balance int `json:"balance"`
}

// Change is what an event of an account says.
type Change struct {
	Account string `json:"-"`
	Amount  int    `json:"amount"`
}

var accountsOfExample = &entity.Repository[Account]{
	Feed: "accounts",
	Apply: func(a Account, e event.Event) (Account, error) {
		var moved Change
		err := json.Unmarshal(e.Data, &moved)
		a.Balance += moved.Amount
		return a, err
	},
}

// A transfer is one transaction over two entities: both, or none. Two transfers in
// opposite directions may deadlock; Retry repeats the one that PostgreSQL ends.
func ExampleRetry() {
	db, remove := openFeed("accounts")
	defer remove()
	ctx := context.Background()
	transfer := func(from, to string, amount int) error {
		return entity.Retry(ctx, entity.SQL(db), func(ctx context.Context, tx entity.Tx) error {
			for _, change := range []Change{{from, -amount}, {to, amount}} {
				a, err := accountsOfExample.Load(ctx, tx.DB(), change.Account)
				if err != nil {
					return err
				}
				moved, err := event.NewJSON("Moved", "", change)
				if err != nil {
					return err
				}
				if a, err = accountsOfExample.Append(ctx, tx, a, moved); err != nil {
					return err
				}
				if change.Account != "bank" && a.State.Balance < 0 {
					return fmt.Errorf("%s has too little", change.Account)
				}
			}
			return nil
		})
	}
	fmt.Println(transfer("bank", "ann", 100), transfer("ann", "bob", 70))
	fmt.Println(transfer("ann", "bob", 70))
	for _, name := range []string{"ann", "bob"} {
		a, err := accountsOfExample.Load(ctx, entity.SQL(db), name)
		fmt.Println(name, a.State.Balance, err)
	}
	// Output:
	// <nil> <nil>
	// ann has too little
	// ann 30 <nil>
	// bob 70 <nil>
}

// openFeed returns a database with a feed that has entities, as feedserver create
// NAME --entities makes it.
func openFeed(name string) (db *sql.DB, remove func()) {
	folder, err := os.MkdirTemp("", "entity")
	check(err)
	path := filepath.Join(folder, "example.db")
	backend, err := sqlite.Open(context.Background(), path, true)
	check(err)
	_, err = store.New(backend).Create(context.Background(), store.Feed{Name: name, Entities: true})
	check(err)
	backend.Close()
	db, err = sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	check(err)
	return db, func() {
		check(db.Close())
		check(os.RemoveAll(folder))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
