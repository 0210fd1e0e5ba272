package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/checkpointtest"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

func TestMain(m *testing.M) {
	checkpointtest.Main(m, func(path string) (checkpoint.Target, error) { return inbox(path), nil })
}

// inbox is a target that adds every event to the inbox.
func inbox(path string) sqlite.Target {
	return sqlite.Target{
		Path: path, NewSink: func() sqlite.Sink { return &sqlite.Inbox{} },
		About: checkpoint.Description{Sink: checkpoint.Consumer{Sink: checkpoint.SinkInbox, KeepsEvents: true}},
	}
}

func TestTheContract(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, newPlace)
}

func TestAProcessThatDiesLosesNothingAndAppliesNothingTwice(t *testing.T) {
	t.Parallel()
	checkpointtest.RunDeaths(t, newPlace)
}

func newPlace(t *testing.T) checkpointtest.Place {
	t.Helper()
	path := filepath.Join(t.TempDir(), "target.db")
	return checkpointtest.Place{
		Target: inbox(path), URL: path,
		Applied: func(t *testing.T) []int64 { return positions(t, path) },
		Steal: func(t *testing.T) {
			t.Helper()
			db, err := sqlitedb.OpenWriter(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			_, err = db.ExecContext(t.Context(), "UPDATE eventfeed_holders SET holder = 'x'; UPDATE eventfeed_checkpoints SET holder = 'x'")
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

// positions returns those of the events in the inbox, ascending.
func positions(t *testing.T, path string) []int64 {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all, err := sqlitedb.CollectRows(t.Context(), db, sqlitedb.RowTo[int64], "SELECT position FROM eventfeed_inbox_events ORDER BY position")
	if err != nil {
		t.Fatal(err)
	}
	return all
}
