package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// setRecorded changes when a position was recorded, past the trigger that forbids it.
func setRecorded(t *testing.T, url string, position int64, recorded time.Time) {
	t.Helper()
	text := cloudevents.FormatTime(recorded)
	if strings.HasPrefix(url, sqlitedb.Scheme) {
		runSQL(t, url, "DROP TRIGGER IF EXISTS eventfeed_positions_no_update")
	} else {
		runSQL(t, url, "ALTER TABLE eventfeed.positions DISABLE TRIGGER append_only")
	}
	runSQL(t, url, fmt.Sprintf("UPDATE eventfeed.positions SET recorded = '%s' WHERE position = %d", text, position))
}

func TestRecordedTimesNeverDecreaseWhenTheClockGoesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 2)
		storetest.Append(t, l, "f", storetest.Events(1, 3))
		storetest.Drain(t, l, "f")
		ahead := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		setRecorded(t, url, 3, ahead) // as if the clock had been set back since
		storetest.Append(t, l, "f", storetest.Events(4, 6))
		storetest.Drain(t, l, "f")
		must.OK(t, l.NewEpoch(t.Context(), "f", "a failover to a machine whose clock is behind"))
		storetest.Append(t, l, "f", storetest.Events(7, 8))
		storetest.Drain(t, l, "f")
		for _, e := range storetest.Read(t, l, "f") {
			if late := e.Position >= 3; e.Recorded.Equal(ahead) != late {
				t.Errorf("position %d was recorded at %v; the clock was at %v before it went back", e.Position, e.Recorded, ahead)
			}
		}
		storetest.Verify(t, l, "f")
	})
}

func TestVerifyFindsARecordedTimeThatDecreases(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 0)
		storetest.Append(t, l, "f", storetest.Events(1, 3))
		storetest.Drain(t, l, "f")
		storetest.Verify(t, l, "f")
		setRecorded(t, url, 2, time.Now().Add(-time.Hour))
		if _, _, err := l.Verify(t.Context(), "f"); !errors.Is(err, store.ErrDoesNotAddUp) || !strings.Contains(err.Error(), "position 2 (event 2) was recorded at ") {
			t.Errorf("verify: %v", err)
		}
	})
}
