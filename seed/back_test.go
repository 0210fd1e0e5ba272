package seed_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// backup copies the source's database as it is now.
func (s *source) backup(t *testing.T) (url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	withSQLite(t, strings.TrimPrefix(s.database, "sqlite:"), func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), "VACUUM INTO ?", path)
		must.OK(t, err)
	})
	return "sqlite:" + path
}

// restoreSource serves a backup, which goes on under a new epoch.
func restoreSource(t *testing.T, backup string) *source {
	t.Helper()
	s := openSource(t, backup)
	must.OK(t, s.NewEpoch(t.Context(), "f", "restored"))
	return s
}

// addOthers adds events that are none of storetest's.
func (s *source) addOthers(t *testing.T, first, last int) {
	t.Helper()
	others := storetest.Events(first, last)
	for i := range others {
		others[i].Data = []byte(`"otherwise"`)
	}
	storetest.Append(t, s.Log, "f", others)
	storetest.Drain(t, s.Log, "f")
}

// wantAgreement compares the end of a run, and the inbox, with the feed.
func wantAgreement(t *testing.T, s *source, end seed.FeedProgress, to target) {
	t.Helper()
	position, digest := storetest.Verify(t, s.Log, "f")
	if end.Position != position || end.Digest != digest {
		t.Errorf("ended with %+v, the feed is at position %d with digest %s", end, position, digest)
	}
	wantEvents(t, to, storetest.Read(t, s.Log, "f"))
}

// TestReaderInTheCommonPartGoesOnByItself wherever its checkpoint lies: before
// the newest archive, in it, right at the end of what is left.
func TestReaderInTheCommonPartGoesOnByItself(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 0)
		readTo := []int{0, 7, 20, 33, 47}
		for i, last := range readTo {
			if i > 0 {
				s.add(t, readTo[i-1]+1, last)
			}
			_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Consumer: fmt.Sprint(last)})
			must.OK(t, err)
		}
		backup := s.backup(t)
		s.add(t, 48, 95)
		restored := restoreSource(t, backup)
		restored.addOthers(t, 48, 60)
		position, digest := storetest.Verify(t, restored.Log, "f")
		for _, at := range readTo {
			end, err := run(t, seed.Config{From: []string{restored.feed()}, Into: again().Target, Consumer: fmt.Sprint(at)})
			must.OK(t, err)
			if end.Position != position || end.Digest != digest || end.Applied != position-int64(at) {
				t.Errorf("from position %d: ended with %+v", at, end)
			}
		}
	})
}

// TestWhatARestoredFeedDoesNotShowYetIsNotLost: the backup was made while pages
// were full and not sealed, and a server shows only the first of them.
func TestWhatARestoredFeedDoesNotShowYetIsNotLost(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		storetest.Append(t, s.Log, "f", storetest.Events(26, 60))
		_, err := s.Sequence(t.Context(), "f", 100)
		must.OK(t, err)
		backup := s.backup(t)
		storetest.Drain(t, s.Log, "f")
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		s.add(t, 61, 80)
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Consumer: "other"})
		must.OK(t, err)

		restored := restoreSource(t, backup)
		end, err := run(t, seed.Config{From: []string{restored.feed()}, Into: again().Target})
		if err != nil || end.Position != 60 || end.Applied != 0 {
			t.Errorf("the reader in the common part ended with %+v, %v", end, err)
		}
		_, err = run(t, seed.Config{From: []string{restored.feed()}, Into: again().Target, Consumer: "other"})
		if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Common != 60 {
			t.Errorf("the one beyond it ended with %v", err)
		}
		err = seed.Rewind(t.Context(), seed.Config{From: []string{restored.feed()}, Into: again().Target, Consumer: "other"}, 60, nil)
		if err == nil || errors.Is(err, seed.ErrMismatch) {
			t.Errorf("rewound with %v", err)
		}
		restored.addOthers(t, 61, 75) // which seals the pages
		must.OK(t, seed.Rewind(t.Context(), seed.Config{From: []string{restored.feed()}, Into: again().Target, Consumer: "other"}, 60, nil))
		position, digest := storetest.Verify(t, restored.Log, "f")
		for _, consumer := range []string{"default", "other"} {
			end, err := run(t, seed.Config{From: []string{restored.feed()}, Into: again().Target, Consumer: consumer})
			if err != nil || end.Position != position || end.Digest != digest || end.Applied != 15 {
				t.Errorf("consumer %s ended with %+v, %v", consumer, end, err)
			}
		}
	})
}

// TestReaderBeyondTheCommonPartGoesBack is the way on after a loss: the seeder
// stops, says where the common part ends, and applies nothing; it can go back
// to there or further, and no less far.
func TestReaderBeyondTheCommonPartGoesBack(t *testing.T) {
	for _, to := range []int64{47, 46, 41, 40, 39, 5, 0} { // pages end at 40, 30 …
		t.Run(fmt.Sprint(to), func(t *testing.T) {
			eachTarget(t, func(t *testing.T, again func() target) {
				s := newSource(t, 47)
				backup := s.backup(t)
				s.add(t, 48, 95)
				_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
				must.OK(t, err)
				restored := restoreSource(t, backup)
				restored.addOthers(t, 48, 120)

				config := seed.Config{From: []string{restored.feed()}, Into: again().Target}
				_, err = run(t, config)
				lost, is := errors.AsType[*seed.LostError](err)
				if !is || !errors.Is(err, seed.ErrMismatch) || !lost.Known || lost.Common != 47 || lost.Position != 95 || lost.NextFirst != 48 {
					t.Fatalf("stopped with %v", err)
				}
				wantInbox(t, again(), 95)

				for wrong, want := range map[int64]error{48: seed.ErrMismatch, 95: seed.ErrMismatch, 96: refused.ErrPosition, -1: refused.ErrPosition} {
					config.Into = again().Target
					if err := seed.Rewind(t.Context(), config, wrong, nil); !errors.Is(err, want) {
						t.Errorf("to %d: %v", wrong, err)
					}
				}
				refuse := errors.New("rather not")
				config.Into = again().Target
				if err := seed.Rewind(t.Context(), config, to, func([]seed.Change) error { return refuse }); !errors.Is(err, refuse) {
					t.Errorf("ended with %v", err)
				}
				wantInbox(t, again(), 95)

				config.Into = again().Target
				must.OK(t, seed.Rewind(t.Context(), config, to, func(changes []seed.Change) error {
					if len(changes) != 1 || changes[0].From != 95 || changes[0].To != to || changes[0].Events != 95-to || changes[0].Deleted {
						t.Errorf("%+v", changes)
					}
					return nil
				}))
				wantInbox(t, again(), int(to))
				config.Into = again().Target
				end, err := run(t, config)
				must.OK(t, err)
				wantAgreement(t, restored, end, again())
			})
		})
	}
}

// TestLossUponLossIsFound: what counts is where the reader's own epoch ended,
// not where the last one began.
func TestLossUponLossIsFound(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		backup := s.backup(t)
		s.add(t, 26, 40)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		restored := restoreSource(t, backup)
		restored.addOthers(t, 26, 80)
		backup = restored.backup(t)
		restored.addOthers(t, 81, 90)
		restored = restoreSource(t, backup)
		restored.addOthers(t, 81, 83)
		config := seed.Config{From: []string{restored.feed()}, Into: again().Target}
		_, err = run(t, config)
		if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Common != 25 {
			t.Fatalf("stopped with %v", err)
		}
		config.Into = again().Target
		must.OK(t, seed.Rewind(t.Context(), config, 25, nil))
		config.Into = again().Target
		end, err := run(t, config)
		must.OK(t, err)
		wantAgreement(t, restored, end, again())
	})
}

// TestReaderOfAnUnknownEpochGoesBackOrBeginsAnew: the feed was restored to before
// the epoch that the reader is in.
func TestReaderOfAnUnknownEpochGoesBackOrBeginsAnew(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		backup := s.backup(t)
		must.OK(t, s.NewEpoch(t.Context(), "f", "test"))
		s.add(t, 26, 40)
		for _, consumer := range []string{"default", "other"} {
			_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target, Consumer: consumer})
			must.OK(t, err)
		}
		restored := restoreSource(t, backup)
		restored.addOthers(t, 26, 60)
		config := seed.Config{From: []string{restored.feed()}, Into: again().Target}
		_, err := run(t, config)
		if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Known || !lost.Compared || lost.Common != 25 {
			t.Fatalf("stopped with %v", err)
		}
		config.Into = again().Target
		err = seed.Rewind(t.Context(), config, 26, nil)
		if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Known || lost.Common != 25 {
			t.Errorf("rewound with %v", err)
		}
		config.Into = again().Target
		must.OK(t, reset(t.Context(), config, func(changes []seed.Change) error {
			if len(changes) != 1 || changes[0].From != 40 || changes[0].Events != 40 || !changes[0].Deleted {
				t.Errorf("%+v", changes)
			}
			return nil
		}))
		wantInbox(t, again(), 40) // the other consumer's
		config.Into = again().Target
		if err := reset(t.Context(), config, nil); !errors.Is(err, seed.ErrNoCheckpoint) || !strings.HasSuffix(err.Error(), ": other") {
			t.Errorf("the second time: %v", err)
		}
		config.Into, config.Consumer = again().Target, "other"
		must.OK(t, seed.Rewind(t.Context(), config, 25, nil))
		config.Into = again().Target
		end, err := run(t, config)
		must.OK(t, err)
		wantAgreement(t, restored, end, again())
	})
}

// TestHistoryThatWasReplacedInItsEpochIsFound: the log was restored and went on
// without a new epoch, up to before where the reader is, and beyond.
func TestHistoryThatWasReplacedInItsEpochIsFound(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		backup := s.backup(t)
		s.add(t, 26, 40)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		copied := openSource(t, backup)
		config := seed.Config{From: []string{copied.feed()}}
		at := 25
		for _, last := range []int{30, 120} {
			copied.addOthers(t, at+1, last)
			at = last
			config.Into = again().Target
			_, err = run(t, config)
			if !errors.Is(err, seed.ErrMismatch) {
				t.Errorf("stopped with %v", err)
			}
			if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Common != 25 || lost.Next != "" {
				t.Errorf("stopped with %v", err)
			}
			wantInbox(t, again(), 40)
		}
		config.Into = again().Target
		if err := seed.Rewind(t.Context(), config, 30, nil); !errors.Is(err, seed.ErrMismatch) {
			t.Errorf("rewound with %v", err)
		}
		wantInbox(t, again(), 40)
	})
}

// TestNothingIsKeptThatTheFeedDoesNotHave: the log was restored to position 25
// and went on, and nobody said so, or said it too late. Epochs cannot tell then
// where the histories part; the events in the inbox can.
func TestNothingIsKeptThatTheFeedDoesNotHave(t *testing.T) {
	for name, newEpoch := range map[string]bool{"no epoch": false, "an epoch too late": true} {
		t.Run(name, func(t *testing.T) {
			eachTarget(t, func(t *testing.T, again func() target) {
				s := newSource(t, 25)
				backup := s.backup(t)
				s.add(t, 26, 40)
				_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
				must.OK(t, err)
				restored := openSource(t, backup)
				restored.addOthers(t, 26, 30)
				if newEpoch {
					must.OK(t, restored.NewEpoch(t.Context(), "f", "restored"))
				}
				config := seed.Config{From: []string{restored.feed()}, Into: again().Target}
				_, err = run(t, config)
				if lost, is := errors.AsType[*seed.LostError](err); !is || lost.Common != 25 {
					t.Fatalf("stopped with %v", err)
				}
				for _, to := range []int64{30, 26} {
					config.Into = again().Target
					if err := seed.Rewind(t.Context(), config, to, nil); !errors.Is(err, seed.ErrMismatch) {
						t.Errorf("rewound to %d with %v", to, err)
					}
				}
				wantInbox(t, again(), 40)
				config.Into = again().Target
				must.OK(t, seed.Rewind(t.Context(), config, 25, nil))
				config.Into = again().Target
				end, err := run(t, config)
				must.OK(t, err)
				wantAgreement(t, restored, end, again())
			})
		})
	}
}

// TestInboxTellsItsHistory: whatever an event is made of can be compared, and
// an inbox that is not whole is not.
func TestInboxTellsItsHistory(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		storetest.Append(t, s.Log, "f", []event.Event{
			{ID: "nothing", Source: "/s", Type: "T", Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)},
			{
				ID: "everything", Source: "/s", Type: "T", Subject: "o'1", Time: time.Date(2026, 1, 1, 0, 0, 0, 123456000, time.UTC),
				DataContentType: "image/png", DataSchema: "urn:s", Extensions: map[string]string{"n": "5", "b": "true", "x": "<\"é\">"}, Data: []byte{0, 0xff},
			},
		})
		s.add(t, 28, 35)
		config := seed.Config{From: []string{s.feed()}, Into: again().Target}
		_, err := run(t, config)
		must.OK(t, err)
		config.Into = again().Target
		must.OK(t, seed.Rewind(t.Context(), config, 33, nil))
		again().exec(t, "UPDATE INBOX SET subject = 'another' WHERE position = 27")
		config.Into = again().Target
		if err := seed.Rewind(t.Context(), config, 32, nil); !errors.Is(err, seed.ErrMismatch) {
			t.Errorf("rewound with %v", err)
		}
		config.Into = again().Target
		must.OK(t, seed.Rewind(t.Context(), config, 26, nil))
		again().exec(t, "DELETE FROM INBOX WHERE position < 10")
		config.Into = again().Target
		must.OK(t, seed.Rewind(t.Context(), config, 20, nil))
	})
}

// TestStaleEpochsFromACacheAreNoReasonToStop: an older subscription document
// does not know the reader's epoch yet.
func TestStaleEpochsFromACacheAreNoReasonToStop(t *testing.T) {
	t.Parallel()
	s := newSource(t, 15)
	stale := fetch(t, s)
	must.OK(t, s.NewEpoch(t.Context(), "f", "test"))
	s.add(t, 16, 40)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	must.OK(t, err)
	cache := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/f") && r.Header.Get("Cache-Control") != "no-cache" {
			_, _ = w.Write(stale)
			return
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&cache)
	_, err = run(t, seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()})
	must.OK(t, err)
	wantInbox(t, target{inbox: sqliteInbox(path)}, 40)
}

// TestHandlersKeepWhatTheyWrote: only the checkpoint goes back, once the caller
// has said that what the handler wrote is undone.
func TestHandlersKeepWhatTheyWrote(t *testing.T) {
	t.Parallel()
	s := newSource(t, 25)
	pool := newPool(t)
	into := func() seed.Target {
		return seedpgx.Open(pool).Handle(func(context.Context, pgx.Tx, seed.Batch) error { return nil })
	}
	_, err := run(t, seed.Config{From: []string{s.feed()}, Into: into()})
	must.OK(t, err)
	for name, target := range map[string]seed.Target{"its own target": into(), "the command's": seedpgx.Open(pool).Inbox()} {
		config := seed.Config{From: []string{s.feed()}, Into: target}
		for _, change := range []func() error{
			func() error { return seed.Rewind(t.Context(), config, 15, nil) },
			func() error { return reset(t.Context(), config, nil) },
		} {
			if refused, is := errors.AsType[*seed.NotUndoneError](change()); !is || refused.Sink != "handler" || refused.To != 25 {
				t.Errorf("%s: refused with %+v", name, refused)
			}
		}
		config.Undone = true
		must.OK(t, seed.Rewind(t.Context(), config, 15, func(changes []seed.Change) error {
			if changes[0].Events != 0 {
				t.Errorf("%s: %+v", name, changes)
			}
			return nil
		}))
		end, err := run(t, seed.Config{From: []string{s.feed()}, Into: into()})
		must.OK(t, err)
		if end.Applied != 10 || end.Position != 25 {
			t.Errorf("%s: ended with %+v", name, end)
		}
	}
	var there bool
	must.OK(t, pool.QueryRow(t.Context(), "SELECT to_regclass('eventfeed_inbox.events') IS NOT NULL").Scan(&there))
	if there {
		t.Error("an inbox was made")
	}
}

// TestNobodyGoesBackWhileAnotherSeederIsAtWork is guarantee 7.
func TestNobodyGoesBackWhileAnotherSeederIsAtWork(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 25)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		config := seed.Config{From: []string{s.feed()}, Into: again().Target}
		must.OK(t, seed.Rewind(t.Context(), config, 5, func([]seed.Change) error {
			if _, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target}); !errors.Is(err, seed.ErrHeld) {
				t.Errorf("a seeder ended with %v while going back was asked for", err)
			}
			other := seed.Config{From: []string{s.feed()}, Into: again().Target}
			if err := reset(t.Context(), other, nil); !errors.Is(err, seed.ErrHeld) {
				t.Errorf("reset ended with %v", err)
			}
			return nil
		}))
		wantInbox(t, again(), 5)
		// Behind the lock stands the checkpoint.
		config.Into = again().Target
		err = reset(t.Context(), config, func([]seed.Change) error {
			again().exec(t, "UPDATE CHECKPOINTS SET holder = 'someone else'")
			return nil
		})
		if !errors.Is(err, seed.ErrMoved) {
			t.Errorf("ended with %v", err)
		}
		config.Into = again().Target
		err = seed.Rewind(t.Context(), config, 3, func([]seed.Change) error {
			again().exec(t, "UPDATE CHECKPOINTS SET holder = 'someone else'")
			return nil
		})
		if !errors.Is(err, seed.ErrMoved) {
			t.Errorf("ended with %v", err)
		}
		wantInbox(t, again(), 5)
	})
}
