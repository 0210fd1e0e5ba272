package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/outbox"
)

// history returns events of one entity, numbered from first to last, one a day.
func history(subject string, first, last int, data string) (events []event.Event) {
	for n := first; n <= last; n++ {
		events = append(events, event.Event{
			ID: fmt.Sprint(subject, " ", n), Source: "/test", Type: "Counted", Subject: subject, Data: []byte(data),
			Time: time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC), DataContentType: "text/plain",
		})
	}
	return events
}

// entityEnd returns the end of an entity.
func entityEnd(t *testing.T, l *store.Log, subject string) (f *store.Feed, end store.EntityEnd) {
	t.Helper()
	must.OK(t, l.ReadFeed(t.Context(), "f", func(log store.Snapshot, now *store.Feed) (err error) {
		f = now
		end, err = store.ReadEntityEnd(t.Context(), log, f, subject)
		return err
	}))
	return f, end
}

func TestTheEndOfAnEntityIsWhatIsPublishedOfIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.CreateWithEntities(t, l, "f")
		if _, end := entityEnd(t, l, "a"); end.Version != 0 || end.Committed != 0 {
			t.Errorf("of nothing: %+v", end)
		}
		storetest.Append(t, l, "f", history("a", 1, 3, "x"))
		storetest.Append(t, l, "f", history("b", 1, 1, "x"))
		if _, end := entityEnd(t, l, "a"); end.Version != 0 || end.Committed != 3 {
			t.Errorf("before any position: %+v", end)
		}
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", history("a", 4, 40, "x"))
		rows := map[int64]store.Row{}
		must.OK(t, l.Rows(t.Context(), f.Key, 1, 100, func(r *store.Row) error { rows[r.Position] = *r; return nil }))
		_, end := entityEnd(t, l, "a")
		if end.Version != 3 || end.Position != 3 || end.Digest != rows[3].Digest || !end.Recorded.Equal(rows[3].Recorded) || end.Committed != 40 {
			t.Errorf("with much that is pending: %+v", end)
		}
		storetest.Drain(t, l, "f")
		if _, end := entityEnd(t, l, "a"); end.Version != 40 || end.Position != 41 || end.Committed != 40 {
			t.Errorf("at the end: %+v", end)
		}
		must.OK(t, l.ReadFeed(t.Context(), "f", func(log store.Snapshot, f *store.Feed) error {
			f.Published = 12 // the page that is full but unsealed ends there
			end, err := store.ReadEntityEnd(t.Context(), log, f, "a")
			if end.Version != 11 || end.Position != 12 {
				t.Errorf("of what documents show: %+v", end)
			}
			return err
		}))
	})
}

func TestRowsOfAnEntityAreReadWholeOrCut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.CreateWithEntities(t, l, "f")
		events := history("a", 1, 3, strings.Repeat("é", 100))
		events[1].Extensions = map[string]string{"authid": "anna", "authtype": "user", "other": "x"}
		events[2].Data = nil
		storetest.Append(t, l, "f", events)
		storetest.Append(t, l, "f", history("b", 1, 1, "x"))
		storetest.Drain(t, l, "f")
		read := func(first, last, cut int64) (rows []store.EntityRow) {
			must.OK(t, l.EntityRows(t.Context(), f.Key, "a", first, last, cut, func(r *store.EntityRow) error { rows = append(rows, *r); return nil }))
			return rows
		}
		whole, cut := read(1, 9, 0), read(2, 3, 7)
		if len(whole) != 3 || len(cut) != 2 {
			t.Fatalf("%d whole, %d cut", len(whole), len(cut))
		}
		for i, row := range whole {
			want := events[i]
			if row.Version != int64(i+1) || row.Position != int64(i+1) || row.ID != want.ID || !bytes.Equal(row.Data, want.Data) || row.DataSize != int64(len(want.Data)) || len(row.Extensions) != len(want.Extensions) {
				t.Errorf("%+v, want %+v", row, want)
			}
		}
		if got := cut[0]; got.Version != 2 || len(got.Data) != 7 || got.DataSize != 200 || len(got.Extensions) != 2 || got.Extensions["authid"] != "anna" || got.Extensions["authtype"] != "user" {
			t.Errorf("%+v", got)
		}
		if got := cut[1]; got.Data != nil || got.DataSize != 0 || got.Extensions["authid"] != "" {
			t.Errorf("%+v", got)
		}
	})
}

// insertAsText inserts an event into SQLite with its data as TEXT, and JSON with white space, as a writer
// in SQL does. It does nothing to another database.
func insertAsText(t *testing.T, url string, key int64, e *event.Event) (done bool) {
	t.Helper()
	if !strings.HasPrefix(url, sqlitedb.Scheme) {
		return false
	}
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, sqlitedb.Scheme))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	extensions, err := json.MarshalIndent(e.Extensions, "", "\t")
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO eventfeed_events (feed, id, source, type, subject, time, datacontenttype, extensions, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))`,
		key, e.ID, e.Source, e.Type, e.Subject, cloudevents.FormatTime(e.Time), e.DataContentType, string(extensions), string(e.Data))
	must.OK(t, err)
	return true
}

// TestSizesOfAnEntityAreInBytes, whatever the database, and whatever type the data has in it: archives
// end at the same versions everywhere.
func TestSizesOfAnEntityAreInBytes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		f := storetest.CreateWithEntities(t, l, "f")
		events := history("a", 1, 4, strings.Repeat("é", 100))
		events[1].Extensions = map[string]string{"authid": "ännä", "x": "\"\\", "empty": ""}
		events[2].Extensions = events[1].Extensions
		storetest.Append(t, l, "f", events[:2])
		if !insertAsText(t, url, f.Key, &events[2]) {
			storetest.Append(t, l, "f", events[2:3])
		}
		storetest.Append(t, l, "f", events[3:])
		storetest.Drain(t, l, "f")
		outline, err := l.EntityOutline(t.Context(), f.Key, "a", 1, 9)
		must.OK(t, err)
		const extensions = 6 + 6 + 1 + 2 + 5
		for i, want := range []int64{200, 200 + extensions, 200 + extensions, 200} {
			if len(outline) != 4 || outline[i].Bytes != want {
				t.Fatalf("outline %+v, want version %d with %d bytes", outline, i+1, want)
			}
		}
		must.OK(t, l.EntityRows(t.Context(), f.Key, "a", 1, 9, 7, func(row *store.EntityRow) error {
			if string(row.Data) != "ééé\xc3" || row.DataSize != 200 {
				t.Errorf("version %d: %q of %d bytes", row.Version, row.Data, row.DataSize)
			}
			return nil
		}))
	})
}

// archives walks from the entity's document back to its first archive.
func archives(t *testing.T, l *store.Log, subject string) (all []string, versions int64) {
	t.Helper()
	must.OK(t, l.ReadFeed(t.Context(), "f", func(log store.Snapshot, f *store.Feed) error {
		end, err := store.ReadEntityEnd(t.Context(), log, f, subject)
		must.OK(t, err)
		d, err := store.EntityDocument(t.Context(), log, f, subject, end.Version)
		must.OK(t, err)
		if len(d.Entries) != int(d.Last-d.First+1) || d.Last != end.Version {
			t.Errorf("%d entries from %d to %d", len(d.Entries), d.First, d.Last)
		}
		all = append(all, fmt.Sprintf("%d-%d", d.First, d.Last))
		newer, previous := (*feed.EntityArchive)(nil), d.Previous
		for previous != nil {
			a, err := store.FindEntityArchive(t.Context(), log, f, subject, end.Version, *previous)
			must.OK(t, err)
			must.OK(t, a.Fill(t.Context(), log, f))
			if newer != nil && (a.Next == nil || a.Next.Last != newer.Last) || newer == nil && a.Next != nil {
				t.Errorf("%d-%d: the next one is %+v, want %+v", a.First, a.Last, a.Next, newer)
			}
			all, versions = append(all, fmt.Sprintf("%d-%d", a.First, a.Last)), versions+int64(len(a.Entries))
			newer, previous = previous, a.Previous
		}
		return nil
	}))
	return all, versions
}

func TestArchivesOfAnEntityAreBoundedByNumberAndBytes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		storetest.Append(t, l, "f", history("few", 1, 10, "x"))
		storetest.Append(t, l, "f", history("full", 1, 500, "x"))
		storetest.Append(t, l, "f", history("more", 1, 1020, "x"))
		mebibyte := strings.Repeat("x", 1<<20)
		storetest.Append(t, l, "f", history("large", 1, 4, mebibyte))
		storetest.Append(t, l, "f", history("large", 5, 6, mebibyte+mebibyte))
		storetest.Append(t, l, "f", history("large", 7, 7, strings.Repeat("x", 5<<20)))
		storetest.Append(t, l, "f", history("large", 8, 9, "x"))
		storetest.Drain(t, l, "f")
		for subject, want := range map[string]string{
			"few":   "1-10",
			"full":  "451-500 1-500",
			"more":  "971-1020 501-1000 1-500",
			"large": "8-9 7-7 5-6 1-4",
		} {
			got, _ := archives(t, l, subject)
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v, want %s", subject, got, want)
			}
		}
	})
}

// TestArchivesThatMayHaveLostTheirNextOneGetOtherURLs: an URL that had a link to a next archive never
// has other bytes, whatever is lost and comes instead.
func TestArchivesThatMayHaveLostTheirNextOneGetOtherURLs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		storetest.Append(t, l, "f", history("a", 1, 1500, "x"))
		storetest.Drain(t, l, "f")
		f, _ := entityEnd(t, l, "a")
		first := f.Epoch()
		must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
		f, _ = entityEnd(t, l, "a")
		second := f.Epoch()
		find := func(epoch string, last int64) (found *store.EntityArchive, err error) {
			_ = l.ReadFeed(t.Context(), "f", func(log store.Snapshot, f *store.Feed) error {
				end, endErr := store.ReadEntityEnd(t.Context(), log, f, "a")
				must.OK(t, endErr)
				found, err = store.FindEntityArchive(t.Context(), log, f, "a", end.Version, feed.EntityArchive{Epoch: epoch, Last: last})
				return nil
			})
			return found, err
		}
		for _, last := range []int64{500, 1000} {
			if found, err := find(first, last); err != nil || found.Next == nil || found.Next.Epoch != first {
				t.Errorf("%d: %+v, %v", last, found, err)
			}
		}
		if found, err := find(first, 1500); !errors.Is(err, store.ErrPageGone) || found == nil || found.Epoch != second {
			t.Errorf("the newest one under the old epoch: %+v, %v", found, err)
		}
		if found, err := find(second, 1500); err != nil || found.Next != nil || found.Previous.Epoch != first {
			t.Errorf("the newest one: %+v, %v", found, err)
		}
		for last, want := range map[int64]error{2000: store.ErrPageGone, 7: store.ErrPageGone, 0: store.ErrPageGone} {
			if _, err := find(first, last); !errors.Is(err, want) {
				t.Errorf("version %d of the old epoch: %v", last, err)
			}
		}
		for epoch, last := range map[string]int64{second: 2000, "nothing": 500} {
			if _, err := find(epoch, last); !errors.Is(err, store.ErrNoPage) {
				t.Errorf("version %d of epoch %s: %v", last, epoch, err)
			}
		}
		storetest.Append(t, l, "f", history("a", 1501, 2000, "x"))
		storetest.Drain(t, l, "f")
		if found, err := find(second, 1500); err != nil || found.Next == nil || found.Next.Epoch != second {
			t.Errorf("with a next one: %+v, %v", found, err)
		}
		if got, versions := archives(t, l, "a"); len(got) != 5 || versions != 2000 {
			t.Errorf("%v with %d versions", got, versions)
		}
	})
}

func TestADayOfAnEntityIsFoundByTheTimesOfItsEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		events := history("a", 1, 20, "x")
		events[9].Time = events[2].Time // the tenth tells of 3 January
		events = append(events, history("a", 25, 30, "x")...)
		storetest.Append(t, l, "f", events)
		storetest.Drain(t, l, "f")
		must.OK(t, l.ReadFeed(t.Context(), "f", func(log store.Snapshot, f *store.Feed) error {
			for day, want := range map[int]string{1: "1 true", 2: "2 true", 3: "10 true", 10: "10 false", 20: "20 true", 22: "20 false", 25: "21 true", 30: "26 true", 31: "26 false", 0: "0 false"} {
				start := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
				version, isOnDay, err := store.EntityDay(t.Context(), log, f, "a", 26, start, start.AddDate(0, 0, 1))
				must.OK(t, err)
				if got := fmt.Sprint(version, isOnDay); got != want && day != 10 || day == 10 && isOnDay {
					t.Errorf("%d January: %s, want %s", day, got, want)
				}
			}
			return nil
		}))
	})
}

func TestAppendsToAnEntityHoldToTheirCondition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		storetest.Create(t, l, "plain", 10)
		try := func(subject string, c store.EntityCondition, events []event.Event) string {
			added, version, err := l.AppendToEntity(t.Context(), "f", subject, c, events)
			if changed, ok := errors.AsType[*store.ChangedError](err); ok {
				return fmt.Sprintf("changed %d", changed.Version)
			}
			must.OK(t, err)
			return fmt.Sprintf("%d to %d", added, version)
		}
		expect := func(version int64, digests ...string) store.EntityCondition {
			return store.EntityCondition{Expected: true, Version: version, Digests: digests}
		}
		exists := store.EntityCondition{Exists: true}
		one, two, three, four := history("a", 1, 1, "x"), history("a", 2, 2, "x"), history("a", 3, 3, "x"), history("a", 4, 4, "x")
		steps := []struct {
			condition store.EntityCondition
			events    []event.Event
			want      string
		}{
			{exists, one, "changed 0"},
			{expect(1), one, "changed 0"},
			{expect(0), one, "1 to 1"},
			{expect(0), one, "0 to 1"}, // is there already
			{expect(7, "wrong"), one, "0 to 1"},
			{expect(0), two, "changed 1"},
			{exists, two, "1 to 2"},
			{expect(2, "00"), three, "changed 2"}, // no position yet
		}
		for i, step := range steps {
			if got := try("a", step.condition, step.events); got != step.want {
				t.Errorf("step %d: %s, want %s", i, got, step.want)
			}
		}
		storetest.Drain(t, l, "f")
		_, end := entityEnd(t, l, "a")
		digest := end.Digest.String()[:16]
		if got := try("a", expect(2, "0000000000000000"), three); got != "changed 2" {
			t.Errorf("another history: %s", got)
		}
		if got := try("a", expect(2, "0000000000000000", digest), append(three, four...)); got != "2 to 4" {
			t.Errorf("this history: %s", got)
		}
		storetest.Verify(t, l, "f")
		if _, _, err := l.AppendToEntity(t.Context(), "plain", "a", store.EntityCondition{}, one); !errors.Is(err, outbox.ErrNoEntities) {
			t.Errorf("a feed without entities: %v", err)
		}
		if _, _, err := l.AppendToEntity(context.WithoutCancel(t.Context()), "f", "a", expect(4), []event.Event{{ID: "a 1", Source: "/test", Type: "Other", Subject: "a"}}); !errors.Is(err, outbox.ErrConflict) {
			t.Errorf("an id in use: %v", err)
		}
	})
}
