//go:build unix

package restore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
)

const timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"

// TestRecoveredBackup: a base backup takes the place of the server that it was
// made of, which had gone on. Recovery that was asked for ends in a new
// timeline, however far it goes, and the log sees that.
func TestRecoveredBackup(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		madeAt   int64 // position
		recovery string
	}{
		"to a point in time after it": {25, `
restore_command = 'cp "%s/%%f" "%%p"'
recovery_target_name = 'backed up'
recovery_target_action = promote`},
		"to its own end": {backedUp, "restore_command = 'false'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOriginal(t)
			backup := o.history(t, test.madeAt)
			backup.Configure(t, "archive_mode = off\n"+format(test.recovery, o.archive))
			backup.Signal(t, "recovery.signal")
			backup.Start(t)
			waitUntil(t, backup, "NOT pg_is_in_recovery()")
			if got := query[string](t, backup.URL(), timeline); got != "00000002" {
				t.Errorf("timeline %s", got)
			}
			// Before the server is at work again.
			appendOthers(t, storetest.Open(t, backup.URL()), backedUp+1, 60)
			l, from, stop := serve(t, backup.URL(), t.Output())
			defer stop()
			f := waitFor(t, l, 60)
			if len(f.Epochs) != 2 || f.Epochs[1].FirstPosition != backedUp+1 {
				t.Errorf("epochs %+v", f.Epochs)
			}
			wantWayOn(t, l, from, o.within, o.beyond)
		})
	}
}

// TestBackupThatWasMerelyStarted: without recovery.signal the timeline stays
// what it was, and nothing in the database tells it from the original. So it
// has to be said by hand, before anything is served.
func TestBackupThatWasMerelyStarted(t *testing.T) {
	t.Parallel()
	o := newOriginal(t)
	backup := o.history(t, backedUp)
	backup.Start(t)
	if got := query[string](t, backup.URL(), timeline); got != "00000001" {
		t.Errorf("timeline %s: the log can tell, and need not be told", got)
	}
	l := storetest.Open(t, backup.URL())
	if pending, _, err := l.Work(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("there is work to do: %v, %v", pending, err)
	}
	must.OK(t, l.NewEpoch(t.Context(), "f", "restored"))
	appendOthers(t, l, backedUp+1, 60)
	l, from, stop := serve(t, backup.URL(), t.Output())
	defer stop()
	waitFor(t, l, 60)
	wantWayOn(t, l, from, o.within, o.beyond)
}

// original is a server that is backed up, goes on, and is gone; with a reader
// in what is in the backup, and one of all.
type original struct {
	*testcluster.Cluster
	archive        string // of its WAL
	within, beyond *reader
}

func newOriginal(t *testing.T) *original {
	t.Helper()
	o := &original{Cluster: testcluster.New(t), within: newReader(t), beyond: newReader(t)}
	o.archive = o.Folder(t, "archive")
	o.Configure(t, "archive_mode = on\n"+format(`archive_command = 'cp "%%p" "%s/%%f"'`, o.archive))
	o.Start(t)
	o.MakeRoles(t)
	return o
}

// history writes it all, makes the backup at a position, and ends the server.
func (o *original) history(t *testing.T, backupAt int64) (backup *testcluster.Cluster) {
	t.Helper()
	l, from, stop := serve(t, o.URL(), t.Output())
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	waitFor(t, l, 25)
	o.within.wantEnd(t, l, from)
	if backupAt == 25 {
		backup = o.Backup(t)
	}
	storetest.Append(t, l, "f", storetest.Events(26, backedUp))
	waitFor(t, l, backedUp)
	if backupAt == backedUp {
		backup = o.Backup(t)
	}
	query[string](t, o.URL(), "SELECT pg_create_restore_point('backed up')::text")
	storetest.Append(t, l, "f", storetest.Events(backedUp+1, lost))
	waitFor(t, l, lost)
	o.beyond.wantEnd(t, l, from)
	stop()
	o.Stop(t, "fast") // which archives what is not archived yet
	return backup
}

// format fills in a folder, if there is one to fill in.
func format(setting, folder string) string {
	if strings.Contains(setting, "%s") {
		return fmt.Sprintf(setting, folder)
	}
	return setting
}
