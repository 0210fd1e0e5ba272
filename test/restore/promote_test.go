//go:build unix

package restore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
)

// TestPromotedStandby: the primary is gone with what had not reached its
// asynchronous standby, which takes its place. Servers go on without a
// restart: one that knows both, and one that ran on the standby all the time.
func TestPromotedStandby(t *testing.T) {
	t.Parallel()
	primary := testcluster.New(t)
	primary.Start(t)
	primary.MakeRoles(t)
	standby := primary.Backup(t, "-R")
	standby.Start(t)
	both := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		standby.Port, primary.Port)

	l, from, stop := serve(t, both, t.Output())
	defer stop()
	storetest.Create(t, l, "f", 10)
	within, beyond, third := newReader(t), newReader(t), newReader(t)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	waitFor(t, l, 25)
	within.wantEnd(t, l, from)
	storetest.Append(t, l, "f", storetest.Events(26, backedUp))
	waitFor(t, l, backedUp)
	waitReplicated(t, primary, standby)

	// A server on the standby serves what is there, and says that it does no more.
	var said logged
	onStandby, fromStandby, stopOnStandby := serve(t, standby.URL(), &said)
	defer stopOnStandby()
	third.wantEnd(t, onStandby, fromStandby)
	said.wait(t, "the database is read-only, as a standby is until it is promoted")
	if err := onStandby.NewEpoch(t.Context(), "f", "test"); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("new epoch on a standby: %v", err)
	}
	if _, err := onStandby.Append(t.Context(), "f", storetest.Events(96, 96)); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("append on a standby: %v", err)
	}

	standby.Stop(t, "fast")
	storetest.Append(t, l, "f", storetest.Events(backedUp+1, lost))
	waitFor(t, l, lost)
	beyond.wantEnd(t, l, from)
	primary.Stop(t, "immediate")
	standby.Start(t)
	standby.Promote(t)

	appendOthers(t, storetest.Open(t, both), backedUp+1, 60)
	f := waitFor(t, l, 60)
	if len(f.Epochs) != 2 || f.Epochs[1].FirstPosition != backedUp+1 {
		t.Errorf("epochs %+v", f.Epochs)
	}
	wantWayOn(t, l, from, within, beyond)
	waitFor(t, onStandby, 60)
	third.wantEnd(t, onStandby, fromStandby)
	said.wait(t, "the database is available again")
}

// TestStandbyWithoutTablesIsNoPlaceToBegin: nothing can be made there.
func TestStandbyWithoutTablesIsNoPlaceToBegin(t *testing.T) {
	t.Parallel()
	primary := testcluster.New(t)
	primary.Start(t)
	primary.MakeRoles(t)
	standby := primary.Backup(t, "-R")
	standby.Start(t)
	if _, err := postgres.Open(t.Context(), standby.URL(), true); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("opened with %v", err)
	}
}

// waitReplicated waits until the standby has all that the primary has.
func waitReplicated(t *testing.T, primary, standby *testcluster.Cluster) {
	t.Helper()
	end := query[string](t, primary.URL(), "SELECT pg_current_wal_lsn()::text")
	waitUntil(t, standby, "pg_last_wal_replay_lsn() >= '"+end+"'")
}

// logged is what a server logs.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// wait waits until the server has said something.
func (l *logged) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !l.has(text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not say %q, but:\n%s", text, l.text.String())
		}
	}
}
