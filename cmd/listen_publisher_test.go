//go:build unix

package cmd_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
)

// What a publisher to a message log shows is what the log has; while the broker is away, that is seen.
func TestOperatorsSeeWhatAPublisherDoes(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t)
	testnats.CreateStream(t, testnats.Client(t, node), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"ORDERS.>"}})
	log := testdb.SQLite(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 25))
	server := operate(t, log)
	o := launch(t, "seeder", []string{
		"run", "--follow", "--from", server.feeds + "/feeds/orders", "--listen", "127.0.0.1:0",
		"--publish", "nats://" + node.Address() + "/ORDERS", "--route", "ORDERS.{feed}.{type}",
	}, func(o *operated) bool { return o.private != "" })

	o.waitReady(t, http.StatusOK)
	families := o.waitFor(t, "eventfeed_seeder_position", 25)
	for name, want := range map[string]float64{
		"eventfeed_seeder_head": 25, "eventfeed_seeder_lag_events": 0, "eventfeed_seeder_target_up": 1, "eventfeed_seeder_applied_events_total": 25,
	} {
		if got := value(families[name]); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	wantTyped(t, families)
	wantAlerts(t, families)
	if _, body := ask(t, o.private+"/"); !strings.Contains(body, "/ORDERS, to a JetStream stream, which holds the checkpoint too\n") {
		t.Errorf("the page does not name the stream:\n%s", body)
	}

	node.Kill()
	storetest.Append(t, l, "orders", storetest.Events(26, 30))
	for deadline := time.Now().Add(time.Minute); value(o.scrape(t)["eventfeed_seeder_target_up"]) != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the broker is away, and it shows nothing of it: %s", o.logged())
		}
	}
	node.Restart(t)
	families = o.waitFor(t, "eventfeed_seeder_position", 30)
	if up := value(families["eventfeed_seeder_target_up"]); up != 1 {
		t.Errorf("the broker is there again, and eventfeed_seeder_target_up is %v", up)
	}
	if all := node.Read(t, "ORDERS"); len(all) != 30 {
		t.Errorf("%d messages", len(all))
	}
}
