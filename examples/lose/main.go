// Command lose shows how readers of an outbox table lose events, or wait for them, and
// that readers of a feed do neither.
//
// Writers append each event twice in one transaction: to a plain outbox table, and to a
// feed. Three readers read along:
//
//   - one remembers the highest id that it has seen, and asks for what has a higher one;
//   - one asks only for what is older than every open transaction (pg_snapshot_xmin);
//   - one is a seeder that follows the feed.
//
// In the middle a transaction that has nothing to do with any of this stays open for a
// while, as a report does. At the end the program prints what each reader has read, and how
// long the slowest event took from its commit to its reader.
//
//	make lose
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

func main() {
	database := flag.String("db", os.Getenv("EVENTFEED_TEST_POSTGRES"), "`URL` of a PostgreSQL server, as a user who may create databases")
	server := flag.String("feedserver", "bin/feedserver", "`PATH` of feedserver")
	length := flag.Duration("for", 30*time.Second, "`DURATION` that writers write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	fmt.Printf("%d writers append events for %s, each of which is committed up to %s after it was inserted.\nAnother transaction stays open for %s of them.\n\n", writers, *length, longestWork, *length/3)
	written, readers, err := run(ctx, *database, *server, *length)
	if err == nil {
		err = show(written, readers)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lose:", err)
		os.Exit(1)
	}
}

// run lets writers write and readers read, and returns how many events were written, and
// what each reader has read of them.
func run(ctx context.Context, database, server string, length time.Duration) (written int, all []*reader, err error) {
	shop, err := newShop(ctx, database, server)
	if err != nil {
		return 0, nil, err
	}
	defer shop.close()
	readers := startReaders(ctx, shop)
	if written, err = shop.write(ctx, length, length/3); err != nil {
		return 0, nil, err
	}
	return written, readers.all, readers.finish(ctx, written)
}

func show(written int, readers []*reader) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CONSUMER\tCOMMITTED\tREAD\tLOST\tLONGEST WAIT")
	for _, r := range readers {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", r.name, written, r.count(), written-r.count(), r.longest().Round(10*time.Millisecond))
	}
	return table.Flush()
}
