package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestNoURLGivesOtherBytesAfterARestore is guarantee 4: the log is restored to
// an older state and goes on otherwise than the history that was lost. Each
// point of the backup leaves the open page, and the newest archive, elsewhere.
func TestNoURLGivesOtherBytesAfterARestore(t *testing.T) {
	t.Parallel()
	for backup := range 17 {
		t.Run(fmt.Sprint(backup), func(t *testing.T) {
			t.Parallel()
			url := testdb.SQLite(t)
			l := storetest.Open(t, url)
			storetest.Create(t, l, "f", 5)
			if backup > 0 {
				storetest.Append(t, l, "f", storetest.Events(1, backup))
			}
			storetest.Drain(t, l, "f")
			restored := "sqlite:" + filepath.Join(t.TempDir(), "restored.db")
			db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
			must.OK(t, err)
			defer func() { _ = db.Close() }()
			_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", strings.TrimPrefix(restored, "sqlite:"))
			must.OK(t, err)

			storetest.Append(t, l, "f", storetest.Events(backup+1, 31))
			storetest.Drain(t, l, "f")
			lost := finalArchives(t, l)

			again := storetest.Open(t, restored)
			must.OK(t, again.NewEpoch(t.Context(), "f", "restored"))
			events := storetest.Events(backup+1, 31)
			for i := range events {
				events[i].Data = []byte(`"otherwise"`)
			}
			storetest.Append(t, again, "f", events)
			storetest.Drain(t, again, "f")
			for page, body := range finalArchives(t, again) {
				if before, there := lost[page]; there && !bytes.Equal(before, body) {
					t.Errorf("page %+v has other bytes", page)
				}
			}
			storetest.Verify(t, again, "f")
		})
	}
}

func finalArchives(t *testing.T, l *store.Log) map[feed.Page][]byte {
	t.Helper()
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	archives := map[feed.Page][]byte{}
	for number := int64(1); number < f.Archives; number++ {
		page := feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number}
		_, d, err := l.Archive(t.Context(), "f", page)
		must.OK(t, err)
		if d.Stage != store.Final {
			t.Errorf("page %d of %d is %s", number, f.Archives, d.Stage)
		}
		archives[page] = d.Body
	}
	return archives
}

func TestSubscriptionDocumentGoesBackAsFarAsAPageHasBytes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 10, PageBytes: 1 << 20})
		must.OK(t, err)
		var events []event.Event
		for _, e := range storetest.Events(1, 45) {
			e.Data = make([]byte, 40_000)
			events = append(events, e)
		}
		storetest.Append(t, l, "f", events)
		storetest.Drain(t, l, "f")
		_, d, err := l.Subscription(t.Context(), "f", nil)
		must.OK(t, err)
		must.OK(t, d.Check())
		if d.First != 15 || d.Last != 45 { // 5 that are not archived, and 26 of 40,000 bytes
			t.Errorf("positions %d to %d", d.First, d.Last)
		}
	})
}

// interrupted lets something happen once a document has been read.
type interrupted struct {
	store.Backend
	once func()
}

func (b *interrupted) Document(ctx context.Context, key int64, page feed.Page) (store.Document, error) {
	d, err := b.Backend.Document(ctx, key, page)
	if do := b.once; do != nil {
		b.once = nil
		do()
	}
	return d, err
}

// TestSealerThatANewEpochOvertakesLeavesNothingBehind: the sealer has encoded a
// page for the old epoch when the new one begins.
func TestSealerThatANewEpochOvertakesLeavesNothingBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		storetest.Append(t, l, "f", storetest.Events(1, 9))
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", storetest.Events(10, 13))
		_, err := l.Sequence(t.Context(), "f", 100)
		must.OK(t, err)
		overtaken := store.New(&interrupted{l.Backend, func() { must.OK(t, l.NewEpoch(t.Context(), "f", "test")) }})
		if sealed, err := overtaken.Seal(t.Context(), "f"); err != nil || sealed != 0 {
			t.Errorf("%d pages sealed, %v", sealed, err)
		}
		storetest.Append(t, l, "f", storetest.Events(14, 20))
		storetest.Drain(t, l, "f")
		storetest.Verify(t, l, "f")
	})
}
