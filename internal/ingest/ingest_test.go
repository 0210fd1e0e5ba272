package ingest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/outbox"
)

// TestConflictIsNamedWithItsLineAndAllBeforeItIsIn: wherever in a batch it
// stands, and behind whichever line that holds no event.
func TestConflictIsNamedWithItsLineAndAllBeforeItIsIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		for _, bad := range []int{1, 2, 1000, 1999, 2000, 2001, 2500} {
			name := fmt.Sprint("f", bad)
			storetest.Create(t, l, name, 500)
			events := storetest.Events(1, 2500)
			there := events[bad-1]
			there.Data = []byte("0")
			storetest.Append(t, l, name, []event.Event{there})
			result, err := ingest.Append(t.Context(), l, name, ingest.Input{Name: "events", Reader: lines(t, events)})
			line, isLine := errors.AsType[*ingest.LineError](err)
			if !isLine || line.Line != 2*bad || !errors.Is(err, outbox.ErrConflict) {
				t.Fatalf("line %d: ended with %v", 2*bad, err)
			}
			storetest.Drain(t, l, name)
			read := storetest.Read(t, l, name)
			if result.Events != bad-1 || result.Added != bad-1 || len(read) != bad {
				t.Errorf("line %d: %+v, and %d events are in the feed", 2*bad, result, len(read))
			}
			for i := 1; i < len(read); i++ { // behind the one that was there
				if read[i].ID != events[i-1].ID {
					t.Fatalf("line %d: event %s at position %d", 2*bad, read[i].ID, i+1)
				}
			}
		}
	})
}

func TestAFileMayBeginWithAByteOrderMark(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 500)
		const one, two = `{"specversion":"1.0","id":"1","source":"/s","type":"T"}` + "\n", `{"specversion":"1.0","id":"2","source":"/s","type":"T"}` + "\n"
		result, err := ingest.Append(t.Context(), l, "f", ingest.Input{Name: "events", Reader: strings.NewReader("\ufeff" + one + two)})
		if err != nil || result.Added != 2 {
			t.Errorf("%+v, %v", result, err)
		}
		_, err = ingest.Append(t.Context(), l, "f", ingest.Input{Name: "events", Reader: strings.NewReader(one + "\ufeff" + two)})
		if line, isLine := errors.AsType[*ingest.LineError](err); !isLine || line.Line != 2 || !strings.Contains(err.Error(), "begins with a byte order mark") {
			t.Errorf("ended with %v", err)
		}
	})
}

// lines writes an event on every second line.
func lines(t *testing.T, events []event.Event) *strings.Reader {
	t.Helper()
	var text strings.Builder
	for _, e := range events {
		line, err := json.Marshal(map[string]any{
			"specversion": "1.0", "id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject,
			"time": cloudevents.FormatTime(e.Time), "datacontenttype": e.DataContentType, "data": json.RawMessage(e.Data),
		})
		must.OK(t, err)
		fmt.Fprintf(&text, "\n%s\n", line)
	}
	return strings.NewReader(text.String())
}
