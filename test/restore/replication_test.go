//go:build unix

package restore_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
)

// TestMovedByLogicalReplication: an upgrade to another server brings the rows
// along and leaves the sequences where they were. Writers are there before the
// server is.
func TestMovedByLogicalReplication(t *testing.T) {
	t.Parallel()
	before := testcluster.New(t)
	before.Configure(t, "wal_level = logical")
	before.Start(t)
	before.MakeRoles(t)
	l, from, stop := serve(t, before.URL(), t.Output())
	_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 10, Entities: true})
	must.OK(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, backedUp))
	waitFor(t, l, backedUp)
	within := newReader(t)
	within.wantEnd(t, l, from)
	stop()

	after := testcluster.New(t)
	after.Start(t)
	after.MakeRoles(t)
	replicate(t, before, after)

	writer := storetest.Open(t, after.URL())
	storetest.Append(t, writer, "f", storetest.Events(backedUp+1, 60))
	storetest.Create(t, writer, "g", 0)
	l, from, stop = serve(t, after.URL(), t.Output())
	defer stop()
	storetest.Append(t, l, "f", storetest.Events(61, 70))
	if f := waitFor(t, l, 70); len(f.Epochs) != 2 || f.Epochs[1].FirstPosition != backedUp+1 {
		t.Errorf("epochs %+v", f.Epochs)
	}
	within.wantEnd(t, l, from)
	storetest.Verify(t, l, "f")
	for i, e := range storetest.Read(t, l, "f") {
		if e.ID != fmt.Sprint(i+1) {
			t.Fatalf("event %s is at position %d", e.ID, e.Position)
		}
	}
}

// replicate moves the database postgres to another server.
func replicate(t *testing.T, before, after *testcluster.Cluster) {
	t.Helper()
	bin := need.PostgresBin(t)
	schema, err := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), "--schema-only", "--dbname", before.URL()).Output()
	must.OK(t, err)
	restore := exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", after.URL())
	restore.Stdin = bytes.NewReader(schema)
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restore the schema: %v\n%s", err, out)
	}
	before.Execute(t, "CREATE PUBLICATION move FOR ALL TABLES")
	after.Execute(t, fmt.Sprintf("CREATE SUBSCRIPTION move CONNECTION '%s' PUBLICATION move", before.URL()))
	waitUntil(t, after, "count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel")
	after.Execute(t, "DROP SUBSCRIPTION move")
}
