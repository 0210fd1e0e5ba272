package main

import (
	"testing"

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
		"a password that comes from the environment": {"http://orders/feeds/orders", "postgres://me:secret@environment/db", "default",
			"seeder rewind --from http://orders/feeds/orders --to 120"},
	} {
		config := seed.Config{From: []string{test.from}, Consumer: test.consumer}
		got := wayOn(&walk.LostError{Known: true, Common: 120, Compared: true}, config, test.into, nil)
		if want := "go back to the common part with: " + test.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}
