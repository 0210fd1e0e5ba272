//go:build unix

package site_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

const pageSize = 5

// newLog returns a log with a feed of some events.
func newLog(t *testing.T, events int) (l *store.Log, url string) {
	t.Helper()
	url = testdb.SQLite(t)
	l = storetest.Open(t, url)
	storetest.Create(t, l, "orders", pageSize)
	grow(t, l, 1, events)
	return l, url
}

func grow(t *testing.T, l *store.Log, first, last int) {
	t.Helper()
	storetest.Append(t, l, "orders", storetest.Events(first, last))
	storetest.Drain(t, l, "orders")
}

// copyOf returns a copy of a log: a backup that was restored.
func copyOf(t *testing.T, url string) (l *store.Log, copied string) {
	t.Helper()
	copied = "sqlite:" + filepath.Join(t.TempDir(), "restored.db")
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", strings.TrimPrefix(copied, "sqlite:"))
	must.OK(t, err)
	return storetest.Open(t, copied), copied
}

func newFolder(t *testing.T) site.Store {
	t.Helper()
	f, err := folder.Open(filepath.Join(t.TempDir(), "site"), true)
	must.OK(t, err)
	return f
}

// onEach runs a test with a folder and with a bucket.
func onEach(t *testing.T, test func(t *testing.T, newStore func(*testing.T) site.Store)) {
	t.Helper()
	t.Parallel()
	for name, newStore := range map[string]func(*testing.T) site.Store{"folder": newFolder, "bucket": newBucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStore)
		})
	}
}

func exporter(l *store.Log, s site.Store) *site.Exporter {
	return &site.Exporter{Log: l, Store: s, Feed: "orders", Logger: slog.New(slog.DiscardHandler)}
}

func step(t *testing.T, e *site.Exporter) site.Result {
	t.Helper()
	r, err := e.Step(t.Context())
	must.OK(t, err)
	return r
}

// wantSite wants the site to have what the log has, to the byte.
func wantSite(t *testing.T, s site.Store, l *store.Log) {
	t.Helper()
	f, d, err := l.Subscription(t.Context(), "orders", nil)
	must.OK(t, err)
	stored, err := s.Get(t.Context(), "feeds/orders.atom")
	must.OK(t, err)
	want := bytes.Replace(feed.AppendDocument(nil, d), []byte(`<link rel="self" href="orders"/>`), []byte(`<link rel="self" href="orders.atom"/>`), 1)
	if !bytes.Equal(stored.Body, want) {
		t.Fatalf("the subscription document is\n%s\nwant\n%s", stored.Body, want)
	}
	for number := int64(1); number <= f.Archives; number++ {
		page := feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number}
		_, archive, err := l.Archive(t.Context(), "orders", page)
		must.OK(t, err)
		body, err := compress.Unzstd(archive.Body)
		must.OK(t, err)
		stored, err := s.Get(t.Context(), strings.TrimPrefix(feed.ArchivePath("orders", page), "/"))
		if err != nil || !bytes.Equal(stored.Body, body) {
			t.Errorf("archive %d differs: %v", number, err)
		}
	}
}

func TestASiteHasTheBytesOfTheServerAtEachState(t *testing.T) { onEach(t, hasTheBytes) }

func hasTheBytes(t *testing.T, newStore func(*testing.T) site.Store) {
	t.Helper()
	l, _ := newLog(t, 0)
	s := newStore(t)
	e := exporter(l, s)
	at := 0
	for _, next := range []int{0, 1, 4, 5, 6, 10, 11, 30, 31, 400} {
		if next > at {
			grow(t, l, at+1, next)
		}
		at = next
		r := step(t, e)
		if r.Position != int64(at) || r.Head != int64(at) {
			t.Errorf("%+v at position %d", r, at)
		}
		wantSite(t, s, l)
		if again := step(t, e); again.Written != 0 {
			t.Errorf("at position %d an export of what is exported wrote %d documents", at, again.Written)
		}
		if again := step(t, exporter(l, s)); again.Written != 0 {
			t.Errorf("at position %d another exporter wrote %d documents", at, again.Written)
		}
	}
}

// faulty is a store of which one call fails, before or after it has done its work: as for a process that
// is killed, or whose connection is cut.
type faulty struct {
	site.Store
	left  int // calls until the one that fails
	after bool
}

var errCut = errors.New("cut off")

func (f *faulty) fails(do func() error) error {
	f.left--
	if f.left == 0 && !f.after {
		return errCut
	}
	err := do()
	if f.left == 0 {
		return errCut
	}
	return err
}

func (f *faulty) Get(ctx context.Context, key string) (stored site.Stored, err error) {
	err = f.fails(func() (err error) { stored, err = f.Store.Get(ctx, key); return err })
	return stored, err
}

// Put writes only the first half of what it is given when it fails.
func (f *faulty) Put(ctx context.Context, objects []site.Object) (refused []int, err error) {
	if f.left == 1 && f.after {
		objects = objects[:(len(objects)+1)/2]
	}
	err = f.fails(func() (err error) { refused, err = f.Store.Put(ctx, objects); return err })
	return refused, err
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	return f.fails(func() error { return f.Store.Delete(ctx, key) })
}

// cutAtEachCall exports with a store whose call 1, 2, 3 … fails, and then goes on as a new process, until a
// run meets no fault.
func cutAtEachCall(t *testing.T, begin func(t *testing.T) (*store.Log, site.Store), accept bool) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for call, isOver := 1, false; !isOver; call++ {
			l, s := begin(t)
			broken := &faulty{Store: s, left: call, after: after}
			e := exporter(l, broken)
			e.AcceptEpoch = accept
			_, err := e.Step(t.Context())
			isOver = err == nil
			if !isOver && !errors.Is(err, errCut) {
				t.Fatalf("call %d: %v", call, err)
			}
			e = exporter(l, s)
			e.AcceptEpoch = accept
			step(t, e)
			wantSite(t, s, l)
		}
	}
}

func TestAnExportThatIsCutOffAnywhereIsContinued(t *testing.T) { onEach(t, isContinued) }

func isContinued(t *testing.T, newStore func(*testing.T) site.Store) {
	t.Helper()
	l, url := newLog(t, 12)
	earlier, _ := copyOf(t, url)
	grow(t, l, 13, 81)
	cutAtEachCall(t, func(t *testing.T) (*store.Log, site.Store) {
		t.Helper()
		s := newStore(t)
		step(t, exporter(earlier, s))
		return l, s
	}, false)
}

func TestTwoExportersAtOnceWriteTheSameSite(t *testing.T) { onEach(t, twoExporters) }

func twoExporters(t *testing.T, newStore func(*testing.T) site.Store) {
	t.Helper()
	l, _ := newLog(t, 3)
	s := newStore(t)
	for round := range 10 {
		grow(t, l, 4+round*37, 3+(round+1)*37)
		var both sync.WaitGroup
		for range 2 {
			e := exporter(l, s)
			both.Go(func() {
				if _, err := e.Step(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		wantSite(t, s, l)
	}
}

// wantHistoryError wants an export to end, and the site to stay as it is.
func wantHistoryError(t *testing.T, e *site.Exporter, texts ...string) {
	t.Helper()
	before, err := e.Store.Get(t.Context(), "feeds/orders.atom")
	must.OK(t, err)
	_, err = e.Step(t.Context())
	history, is := errors.AsType[*site.HistoryError](err)
	if !is {
		t.Fatalf("%v", err)
	}
	for _, text := range texts {
		if said := err.Error() + "\n" + history.Next; !strings.Contains(said, text) {
			t.Errorf("%q is not in %q", text, said)
		}
	}
	after, err := e.Store.Get(t.Context(), "feeds/orders.atom")
	if err != nil || after.Tag != before.Tag {
		t.Errorf("the site was changed: %v", err)
	}
}

func TestASiteOfAnotherHistoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	l, url := newLog(t, 12)
	s := newFolder(t)
	step(t, exporter(l, s))
	t.Run("another feed", func(t *testing.T) {
		t.Parallel()
		other, _ := newLog(t, 40)
		wantHistoryError(t, exporter(other, s), "which is not the log's", "export to another place")
	})
	t.Run("other events at the same positions", func(t *testing.T) {
		t.Parallel()
		one, oneURL := newLog(t, 12)
		two, _ := copyOf(t, oneURL)
		place := newFolder(t)
		grow(t, one, 13, 20)
		step(t, exporter(one, place))
		grow(t, two, 101, 130)
		wantHistoryError(t, exporter(two, place), "at position 20", "their histories differ before it", "feedserver verify")
	})
	t.Run("an older log", func(t *testing.T) {
		t.Parallel()
		older, _ := copyOf(t, url)
		place := newFolder(t)
		newer, _ := copyOf(t, url)
		grow(t, newer, 13, 20)
		step(t, exporter(newer, place))
		wantHistoryError(t, exporter(older, place), "goes on to position 20", "the log ends at position 12", "old backup", "feedserver new-epoch orders")
	})
	t.Run("something else at the place of a document", func(t *testing.T) {
		t.Parallel()
		place := newFolder(t)
		_, err := place.Put(t.Context(), []site.Object{{Key: "feeds/orders.atom", Body: []byte("<html/>")}})
		must.OK(t, err)
		wantHistoryError(t, exporter(l, place), "feeds/orders.atom of the site is not a subscription document")
	})
}

// restore gives a log a site that goes on to position 31, restores it to an earlier position, and lets it go
// on otherwise under a new epoch.
func restore(t *testing.T, backup int) (again *store.Log, newSite func() site.Store) {
	t.Helper()
	l, url := newLog(t, backup)
	again, _ = copyOf(t, url)
	grow(t, l, backup+1, 31)
	must.OK(t, again.NewEpoch(t.Context(), "orders", "restored"))
	grow(t, again, 101, 140)
	return again, func() site.Store {
		s := newFolder(t)
		step(t, exporter(l, s))
		return s
	}
}

func TestEventsThatOnlyTheSiteHasAreCountedAndKept(t *testing.T) {
	t.Parallel()
	for backup := range 31 {
		t.Run(fmt.Sprint(backup), func(t *testing.T) {
			t.Parallel()
			again, newSite := restore(t, backup)
			s := newSite()
			before := events(t, s, backup+1, 31)
			wantHistoryError(t, exporter(again, s), fmt.Sprintf("after position %d", backup), fmt.Sprintf("%d events are in the site only", 31-backup), "--accept-epoch")
			e := exporter(again, s)
			e.AcceptEpoch = true
			step(t, e)
			wantSite(t, s, again)
			wantKept(t, s, before)
		})
	}
}

func TestEventsThatOnlyTheSiteHasAreKeptThoughTheExportIsCutOffAnywhere(t *testing.T) {
	t.Parallel()
	again, newSite := restore(t, 13)
	var before map[int64]string
	var sites []site.Store
	cutAtEachCall(t, func(t *testing.T) (*store.Log, site.Store) {
		t.Helper()
		s := newSite()
		before = events(t, s, 14, 31)
		sites = append(sites, s)
		return again, s
	}, true)
	for _, s := range sites {
		wantKept(t, s, before)
	}
}

// events returns the ids of the events of a site, by position.
func events(t *testing.T, s site.Store, first, last int) map[int64]string {
	t.Helper()
	found := make(map[int64]string)
	stored, err := s.Get(t.Context(), "feeds/orders.atom")
	must.OK(t, err)
	d, err := feed.Decode(stored.Body)
	must.OK(t, err)
	add(found, d)
	for number := d.Archives; number > 0; number-- {
		stored, err := s.Get(t.Context(), strings.TrimPrefix(feed.ArchivePath("orders", feed.Page{Epoch: feed.EpochOfPage(d.Epochs, number), Number: number}), "/"))
		must.OK(t, err)
		d, err := feed.Decode(stored.Body)
		must.OK(t, err)
		add(found, d)
	}
	for position := range found {
		if position < int64(first) || position > int64(last) {
			delete(found, position)
		}
	}
	return found
}

func add(found map[int64]string, d *feed.Document) {
	for _, e := range d.Entries {
		found[e.Position] = e.ID
	}
}

// wantKept wants each event to be in a copy below lost/.
func wantKept(t *testing.T, s site.Store, want map[int64]string) {
	t.Helper()
	found := make(map[int64]string)
	stored, err := s.Get(t.Context(), "feeds/orders.atom")
	must.OK(t, err)
	now, err := feed.Decode(stored.Body)
	must.OK(t, err)
	for number := range 10 {
		stored, err := s.Get(t.Context(), fmt.Sprintf("feeds/orders/lost/%s/%d", now.Epochs[0].ID, number))
		if errors.Is(err, site.ErrAbsent) {
			continue
		}
		must.OK(t, err)
		d, err := feed.Decode(stored.Body)
		must.OK(t, err)
		add(found, d)
	}
	for position, id := range want {
		if found[position] != id {
			t.Errorf("position %d was event %s, and the copies have %q", position, id, found[position])
		}
	}
}
