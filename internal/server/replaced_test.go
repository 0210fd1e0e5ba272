package server_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/servertest"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/internal/storetest"
	"github.com/eventfeed/eventfeed/internal/testdb"
)

// While the file of an SQLite log is away the server serves what it knows, says so
// to those who ask for what is there now, and goes on with the file that is put there.
func TestServerWaitsForItsFile(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	path := strings.TrimPrefix(url, sqlitedb.Scheme)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 15))
	storetest.Drain(t, l, "f")
	web := servertest.Publish(t, l)
	fresh := []string{"Cache-Control", "no-cache"}
	do(t, "GET", web.URL+"/feeds/f")

	storetest.Must(t, os.Rename(path, path+".away"))
	waitStatus(t, web.URL+"/feeds/f", http.StatusServiceUnavailable, fresh...)
	if response, body := do(t, "GET", web.URL+"/feeds/f"); response.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("without no-cache: %s", response.Status)
	}
	storetest.Must(t, os.Rename(path+".away", path))
	waitStatus(t, web.URL+"/feeds/f", http.StatusOK, fresh...)

	another := testdb.SQLite(t)
	other := storetest.Open(t, another)
	storetest.Create(t, other, "g", 10)
	other.Close()
	storetest.Must(t, os.Rename(strings.TrimPrefix(another, sqlitedb.Scheme), path))
	waitStatus(t, web.URL+"/feeds/g", http.StatusOK)
	waitStatus(t, web.URL+"/feeds/f", http.StatusNotFound)
}

func waitStatus(t *testing.T, url string, status int, header ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		response, body := do(t, "GET", url, header...)
		if response.StatusCode == status {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s, want %d\n%s", url, response.Status, status, body)
		}
	}
}
