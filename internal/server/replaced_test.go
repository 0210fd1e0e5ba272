package server_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
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

	must.OK(t, os.Rename(path, path+".away"))
	waitStatus(t, web.URL+"/feeds/f", http.StatusServiceUnavailable, fresh...)
	if response, body := do(t, "GET", web.URL+"/feeds/f"); response.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("without no-cache: %s", response.Status)
	}
	must.OK(t, os.Rename(path+".away", path))
	waitStatus(t, web.URL+"/feeds/f", http.StatusOK, fresh...)

	another := testdb.SQLite(t)
	other := storetest.Open(t, another)
	storetest.Create(t, other, "g", 10)
	other.Close()
	must.OK(t, os.Rename(strings.TrimPrefix(another, sqlitedb.Scheme), path))
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

// A copy of the log that went on with other events is put in the place of the file:
// nothing that the server has in memory of the old history is served, although the
// copy has as many events and archives.
func TestNothingOfAReplacedLogIsServed(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	path := strings.TrimPrefix(url, sqlitedb.Scheme)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 15))
	storetest.Drain(t, l, "f")
	backup := path + ".backup"
	db, err := sql.Open("sqlite", path)
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", backup)
	must.OK(t, errors.Join(err, db.Close()))
	restored := storetest.Open(t, sqlitedb.Scheme+backup)
	storetest.Append(t, restored, "f", storetest.Events(1001, 1040))
	storetest.Drain(t, restored, "f")
	restored.Close()
	storetest.Append(t, l, "f", storetest.Events(16, 55))
	storetest.Drain(t, l, "f")

	web := servertest.Run(t, l)
	paths := []string{"/feeds/f"}
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	for page := range f.Archives {
		paths = append(paths, fmt.Sprintf("/feeds/f/archive/%s/%d", f.Epoch(), page+1))
	}
	dead := make(map[string]string)
	for _, path := range paths {
		response, body := do(t, "GET", web.URL+path)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, response.Status)
		}
		dead[path] = string(body)
	}

	must.OK(t, os.Rename(backup, path))
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, body := do(t, "GET", web.URL+"/feeds/f", "Cache-Control", "no-cache"); string(body) != dead["/feeds/f"] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the subscription document of the old file is still served")
		}
	}
	fresh := servertest.Run(t, storetest.Open(t, url))
	for _, path := range paths {
		_, got := do(t, "GET", web.URL+path)
		if _, want := do(t, "GET", fresh.URL+path); !bytes.Equal(got, want) {
			t.Errorf("%s is not what the new file holds; it is what the old one held: %v", path, string(got) == dead[path])
		}
	}
}
