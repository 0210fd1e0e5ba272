// Command mail is a service that writes a mail when an order is shipped. It takes new events from
// a queue of RabbitMQ, and the history, with the customers' names, from the feed:
//
//	mail --from http://127.0.0.1:8080/feeds/orders --into mail.db --broker amqp://localhost:5672/ --queue mail
//
// docs/brokers.md has the rule that it follows, and how a publisher and a queue are set up.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

const schema = `
CREATE TABLE IF NOT EXISTS customers (order_id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outgoing (number INTEGER PRIMARY KEY, order_id TEXT NOT NULL, text TEXT NOT NULL)`

// check is the time between two comparisons with the feed.
const check = time.Minute

func main() {
	var s service
	flag.StringVar(&s.from, "from", "http://127.0.0.1:8080/feeds/orders", "URL of the feed")
	flag.StringVar(&s.path, "into", "mail.db", "SQLite file of the mail service")
	flag.StringVar(&s.broker, "broker", "amqp://localhost:5672/", "URL of the broker")
	flag.StringVar(&s.queue, "queue", "mail", "queue with the messages of the feed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx)
	stopped := ctx.Err() != nil
	stop()
	if err != nil && !stopped {
		fmt.Fprintln(os.Stderr, "mail:", err)
		os.Exit(1)
	}
}

type service struct{ from, path, broker, queue string }

func (s *service) run(ctx context.Context) error {
	// A transaction locks the file when it begins, so that the checkpoint stays as it was read.
	db, err := sql.Open("sqlite", "file:"+s.path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	if err := s.seed(ctx); err != nil {
		return err
	}
	broker, err := amqp.Dial(s.broker)
	if err != nil {
		return err
	}
	defer func() { _ = broker.Close() }()
	channel, err := broker.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(100, 0, false); err != nil {
		return err
	}
	messages, err := channel.Consume(s.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	return s.consume(ctx, db, messages)
}

// consume applies messages until ctx is done.
func (s *service) consume(ctx context.Context, db *sql.DB, messages <-chan amqp.Delivery) error {
	for due := time.Tick(check); ; {
		select {
		case m, open := <-messages:
			if !open {
				return errors.New("the broker has closed the channel")
			}
			if err := s.handle(ctx, db, m); err != nil {
				return err
			}
		case <-due:
			if err := s.seed(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// handle applies or drops a message, and acknowledges it after the commit.
func (s *service) handle(ctx context.Context, db *sql.DB, d amqp.Delivery) error {
	m, err := parse(d)
	if err != nil {
		return fmt.Errorf("not a message of eventfeed: %w", err)
	}
	done, err := receive(ctx, db, m, false)
	if err == nil && !done {
		if err = s.seed(ctx); err == nil {
			_, err = receive(ctx, db, m, true)
		}
	}
	if err != nil {
		return err
	}
	return d.Ack(false)
}

// seed applies what the service lacks of the feed. It fails if the feed has lost what the service has
// applied.
func (s *service) seed(ctx context.Context) error {
	into := seedsqlite.Open(s.path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
		for _, e := range b.Events {
			if err := apply(ctx, tx, e); err != nil {
				return fmt.Errorf("%s %s at position %d: %w", e.Type, e.Subject, e.Position, err)
			}
		}
		return nil
	})
	return seed.Run(ctx, seed.Config{From: []string{s.from}, Into: into, Consumer: consumer})
}

// apply applies an event, of the history or of a message.
func apply(ctx context.Context, tx *sql.Tx, e event.Delivered) error {
	switch e.Type {
	case "OrderCreated":
		var data struct {
			Customer string `json:"customer"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO customers (order_id, name) VALUES (?, ?)", e.Subject, data.Customer)
		return err
	case "OrderShipped":
		if !e.Live {
			return nil // nobody wants a mail about an order of last year
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO outgoing (order_id, text)
			SELECT order_id, 'Dear ' || name || ', your order ' || order_id || ' is on its way.' FROM customers WHERE order_id = ?`, e.Subject)
		return err
	}
	return nil
}
