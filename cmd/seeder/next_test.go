package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

func TestWayOnCanBeCopiedAndHoldsNoPassword(t *testing.T) {
	t.Setenv("EVENTFEED_INTO", "postgres://me:secret@environment/db")
	for name, test := range map[string]struct {
		from, into, consumer string
		want                 string
	}{
		"nothing to hide": {"http://orders/feeds/orders", "postgres://me@host/db", "default",
			"seeder rewind --from http://orders/feeds/orders --into postgres://me@host/db --to 120"},
		"a consumer of its own": {"http://orders/feeds/orders", "sqlite:new.db", "shipping",
			"seeder rewind --from http://orders/feeds/orders --into sqlite:new.db --to 120 --consumer shipping"},
		"what a shell would read": {"http://orders/feeds/orders?a=1&b=2", "sqlite:my $new.db", "it's",
			`seeder rewind --from 'http://orders/feeds/orders?a=1&b=2' --into 'sqlite:my $new.db' --to 120 --consumer 'it'\''s'`},
		"a password": {"https://me:secret@orders/feeds/orders", "postgres://me:secret@host/db?sslmode=disable", "default",
			"seeder rewind --from https://me@orders/feeds/orders --into 'postgres://me@host/db?sslmode=disable' --to 120"},
		"a password as a parameter": {"http://orders/feeds/orders", "postgres://host/db?password=secret&user=me", "default",
			"seeder rewind --from http://orders/feeds/orders --into 'postgres://host/db?user=me' --to 120"},
		"a token as a parameter": {"http://orders/feeds/orders?apiKey=secret&a=1&access_token=secret", "postgres://host/db?sslkey=key.pem", "default",
			"seeder rewind --from 'http://orders/feeds/orders?a=1' --into 'postgres://host/db?sslkey=key.pem' --to 120"},
		"a password that comes from the environment": {"http://orders/feeds/orders", "postgres://me:secret@environment/db", "default",
			"seeder rewind --from http://orders/feeds/orders --to 120"},
	} {
		config := seed.Config{From: []string{test.from}, Consumer: test.consumer}
		got := wayOn(&seed.LostError{Known: true, Common: 120, Compared: true}, config, test.into, nil)
		if want := "go back to the common part with: " + test.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// TestRetryLineSelectsAsTheRunDoes, quoted for a shell.
func TestRetryLineSelectsAsTheRunDoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config seed.Config
		sinks  *sinkFlags
		of     seed.ParkedFilter
		want   string
	}{
		"an inbox":     {seed.Config{Consumer: seed.DefaultConsumer}, &sinkFlags{}, seed.ParkedFilter{}, "seeder retry --into sqlite:a.db"},
		"a projection": {seed.Config{Consumer: "s"}, &sinkFlags{projection: "my shop.sql", schema: "s", strict: true}, seed.ParkedFilter{Feed: "orders"}, "seeder retry --into sqlite:a.db --consumer s --projection 'my shop.sql' --schema s --strict --feed orders"},
		"an entity":    {seed.Config{Consumer: seed.DefaultConsumer}, &sinkFlags{}, seed.ParkedFilter{Feed: "orders", Subject: "$(rm -rf /)'\u202e\n"}, `seeder retry --into sqlite:a.db --feed orders --subject $'$(rm -rf /)\'\342\200\256\012'`},
	} {
		if got := retryLine(test.config, "sqlite:a.db", test.sinks, test.of); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// TestNoCommandAfterALossLeavesAMix: only in an inbox a command goes back or
// starts over at once. What something else has filled is built beside it, or
// reset with the flag that says that somebody has emptied it.
func TestNoCommandAfterALossLeavesAMix(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"p.sql": "-- on A\nDELETE FROM t;", "sql/2024 Shop.sql": "-- on A\nDELETE FROM t;", "named.sql": "-- on A\nDELETE FROM shop.t;",
	} {
		if err := errors.Join(os.MkdirAll("sql", 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := "http://orders/feeds/orders", "http://pay/feeds/payments"
	lost := &seed.LostError{Position: 150, Known: true, Common: 120, Compared: true}
	nothing := &seed.LostError{Position: 150, Compared: true}
	replaced := fmt.Errorf("%w: %w", walk.ErrMismatch, walk.ErrReplaced)
	for name, test := range map[string]struct {
		err   error
		into  string
		sinks *sinkFlags
		want  string
	}{
		"an inbox": {lost, "sqlite:new.db", &sinkFlags{},
			"go back to the common part with: seeder rewind --from " + two + " --into sqlite:new.db --to 120"},
		"an inbox that has nothing in common": {nothing, "sqlite:new.db", &sinkFlags{},
			"start over with: seeder reset --into sqlite:new.db"},
		"a loss that was not compared": {&seed.LostError{Position: 150, Known: true}, "sqlite:new.db", &sinkFlags{},
			"verify the feed with: seeder verify --from " + two},
		"another history": {replaced, "sqlite:new.db", &sinkFlags{},
			"verify the feed with: seeder verify --from " + two + "; if it passes, start over with: seeder reset --into sqlite:new.db"},
		"a projection in a file": {lost, "sqlite:data/new.db", &sinkFlags{projection: "p.sql"},
			"the consumer applied events at positions 121 to 150 that the feed no longer has; build a new copy beside it with: " +
				"seeder run --from " + one + " --from " + two + " --into sqlite:data/new-2.db --projection p.sql"},
		"a projection that was built anew": {lost, "sqlite:new-2.db", &sinkFlags{projection: "p.sql", strict: true},
			"the consumer applied events at positions 121 to 150 that the feed no longer has; build a new copy beside it with: " +
				"seeder run --from " + one + " --from " + two + " --into sqlite:new-3.db --projection p.sql --strict"},
		"a projection in no schema": {lost, "postgres://me@host/db", &sinkFlags{projection: "sql/2024 Shop.sql"},
			"the consumer applied events at positions 121 to 150 that the feed no longer has; build a new copy beside it with: " +
				"seeder run --from " + one + " --from " + two + " --into postgres://me@host/db --projection 'sql/2024 Shop.sql' --schema projection2024_shop_2"},
		"a projection in a schema": {replaced, "postgres://me@host/db", &sinkFlags{projection: "p.sql", schema: "shop_9"},
			"verify the feed with: seeder verify --from " + two + "; if it passes, build a new copy beside it with: " +
				"seeder run --from " + one + " --from " + two + " --into postgres://me@host/db --projection p.sql --schema shop_10"},
		"a projection that names its schema": {lost, "postgres://me@host/db", &sinkFlags{projection: "named.sql"},
			"the consumer applied events at positions 121 to 150 that the feed no longer has; " +
				"its SQL may name the schema of its tables, which --schema does not change: drop the tables, then start over with: " +
				"seeder reset --into postgres://me@host/db --undone; or create another database, and build it there with: " +
				"seeder run --from " + one + " --from " + two + " --into postgres://me@host/db_2 --projection named.sql"},
		"a publisher": {lost, "sqlite:new.db", &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: "amqp://mq/?exchange=e"}}},
			"go back to the common part, and tell the consumers with a marker, with: seeder rewind --from " + two + " --into sqlite:new.db --to 120"},
		"a publisher that has nothing in common": {nothing, "sqlite:new.db", &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: "amqp://mq/?exchange=e"}}},
			"go back to the common part, and tell the consumers with a marker, with: seeder rewind --from " + two + " --into sqlite:new.db --to 0"},
		"a publisher of another history": {replaced, "sqlite:new.db", &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: "amqp://mq/?exchange=e"}}},
			"verify the feed with: seeder verify --from " + two + "; if it passes, start over with: seeder reset --into sqlite:new.db; consumers that have applied events compare themselves with the feed at its marker"},
		"a foreign feed": {refused.ErrNoWayBack, "sqlite:new.db", &sinkFlags{}, "start over with: seeder reset --into sqlite:new.db"},
		"a foreign feed, for a program": {refused.ErrNoWayBack, "sqlite:new.db", &sinkFlags{program: "./mail"},
			"empty what the program fills, then start over with: seeder reset --into sqlite:new.db --undone"},
		"a feed that was created again": {fmt.Errorf("%w: %w", seed.ErrMismatch, seed.ErrOtherFeed), "sqlite:new.db", &sinkFlags{projection: "p.sql"},
			"check the URL; if the feed was deleted and created again, build a new copy beside it with: " +
				"seeder run --from " + one + " --from " + two + " --into sqlite:new-2.db --projection p.sql"},
		"a feed that was created again, for a program": {fmt.Errorf("%w: %w", seed.ErrMismatch, seed.ErrOtherFeed), "sqlite:new.db", &sinkFlags{program: "./mail"},
			"check the URL; if the feed was deleted and created again, empty what the program fills, then start over with: seeder reset --into sqlite:new.db --undone"},
		"a program": {lost, "sqlite:new.db", &sinkFlags{program: "./mail"},
			"the consumer applied events at positions 121 to 150 that the feed no longer has; empty what the program fills, then start over with: seeder reset --into sqlite:new.db --undone"},
	} {
		config := seed.Config{From: []string{one, two}, Consumer: seed.DefaultConsumer}
		if got := wayOn(&seed.FeedError{From: two, Err: test.err}, config, test.into, test.sinks); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}
