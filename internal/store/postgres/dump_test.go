package postgres_test

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestDumpStopsNobody: pg_dump holds its snapshot and its locks for as long as
// nobody takes what it gives. Meanwhile everything goes on; the dump is whole.
func TestDumpStopsNobody(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 100)
	large := storetest.Events(1, 1)
	large[0].Data = bytes.Repeat([]byte("x"), 1<<20) // more than a pipe takes
	storetest.Append(t, l, "f", large)
	storetest.Drain(t, l, "f")

	dump := exec.CommandContext(t.Context(), filepath.Join(need.PostgresBin(t), "pg_dump"), "--dbname", url)
	out, err := dump.StdoutPipe()
	must.OK(t, err)
	must.OK(t, dump.Start())
	waitForDump(t, url)

	startPublisher(t, l)
	startPublisher(t, storetest.Open(t, url)) // opening it migrates and grants, too
	for n := 2; n < 5000; n += 500 {
		storetest.Append(t, l, "f", storetest.Events(n, n+499))
	}
	waitForPosition(t, l, "f", 5001, 30*time.Second)
	storetest.Create(t, l, "g", 0)
	if position, _ := storetest.Verify(t, l, "f"); position != 5001 {
		t.Errorf("position %d while the dump runs", position)
	}

	text, err := io.ReadAll(out)
	must.OK(t, err)
	must.OK(t, dump.Wait())
	if !bytes.Contains(text, []byte("PostgreSQL database dump complete")) {
		t.Error("the dump is not whole")
	}
	if !strings.Contains(string(text), "COPY eventfeed.documents") || strings.Contains(string(text), "\tg\turn:uuid:") {
		t.Error("the dump is not of the moment at which it began")
	}
}

// waitForDump waits until pg_dump waits for its reader.
func waitForDump(t *testing.T, url string) {
	t.Helper()
	pool := openPool(t, url)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var waiting bool
		must.OK(t, pool.QueryRow(t.Context(), `
			SELECT count(*) > 0 FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'pg_dump' AND backend_xmin IS NOT NULL
			  AND (wait_event = 'ClientWrite' OR query LIKE 'COPY eventfeed.events%')`).Scan(&waiting))
		if waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("pg_dump does not wait")
		}
	}
}
