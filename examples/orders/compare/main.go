// Command compare shows that the SQLite databases of the example hold the
// same, by SQL alone: none of eventfeed's code takes part.
//
//	compare --shop shop.db --inbox inbox.db        the feed's events, row by row
//	compare --shop shop.db --shipping shipping.db  orders and shipments
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite"
)

const (
	events = `SELECT p.position, e.id, e.source, e.type, e.subject, e.time, e.datacontenttype, e.dataschema, e.extensions, e.data
		FROM main.eventfeed_positions p JOIN main.eventfeed_events e ON e.insert_no = p.insert_no`
	inbox = `SELECT position, id, source, type, subject, time, datacontenttype, dataschema, extensions, data
		FROM other.eventfeed_inbox_events`
	// Orders of earlier years came from elsewhere, and are not in the shop's table.
	orders    = `SELECT id, customer, address, status FROM main.orders WHERE id NOT LIKE 'old-%'`
	shipments = `SELECT order_id, customer, address, status FROM other.shipments WHERE order_id NOT LIKE 'old-%'`
)

func main() {
	shopPath := flag.String("shop", "shop.db", "database of the shop")
	inboxPath := flag.String("inbox", "", "database that seeder has filled")
	shippingPath := flag.String("shipping", "", "database of the shipping service")
	flag.Parse()
	if *inboxPath == "" && *shippingPath == "" {
		fmt.Fprintln(os.Stderr, "compare: what with? Name --inbox or --shipping")
		os.Exit(2)
	}
	ctx := context.Background()
	var err error
	if *inboxPath != "" {
		err = compare(ctx, *shopPath, *inboxPath, "events", events, "rows of the inbox", inbox)
	}
	if *shippingPath != "" {
		err = errors.Join(err, compare(ctx, *shopPath, *shippingPath, "orders", orders, "shipments of these", shipments))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// compare counts what either query finds and the other one does not, besides
// the rows of both: EXCEPT alone would pass over a row that is there twice.
func compare(ctx context.Context, shopPath, otherPath, leftName, left, rightName, right string) error {
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(shopPath)+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1) // what is attached is so for one connection
	if _, err := db.ExecContext(ctx, "ATTACH DATABASE $1 AS other", "file:"+url.PathEscape(otherPath)+"?mode=rw"); err != nil {
		return fmt.Errorf("%s: %w", otherPath, err)
	}
	var leftRows, rightRows, onlyLeft, onlyRight int
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM (`+left+`)), (SELECT count(*) FROM (`+right+`)),
		(SELECT count(*) FROM (`+left+` EXCEPT `+right+`)), (SELECT count(*) FROM (`+right+` EXCEPT `+left+`))`).
		Scan(&leftRows, &rightRows, &onlyLeft, &onlyRight)
	if err != nil {
		return err
	}
	fmt.Printf("%d %s, %d %s; %d only in %s, %d only in %s\n", leftRows, leftName, rightRows, rightName, onlyLeft, shopPath, onlyRight, otherPath)
	if leftRows != rightRows || onlyLeft+onlyRight > 0 || leftRows == 0 {
		return fmt.Errorf("%s and %s are not the same", leftName, rightName)
	}
	return nil
}
