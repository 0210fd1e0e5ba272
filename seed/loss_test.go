//go:build unix

package seed_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// filled is what something has filled by a feed's events, and that it can undo
// itself.
type filled struct {
	open  func() seed.Target
	lines func(t *testing.T) []string // position and id of each event, in order
	undo  func(t *testing.T, after int64)
}

const filledTable = "CREATE TABLE filled (position bigint PRIMARY KEY, id text NOT NULL)"

// eachFilled runs a test for each sink on SQLite, or on both databases.
func eachFilled(t *testing.T, both bool, test func(t *testing.T, f filled, isInbox bool)) {
	t.Helper()
	t.Parallel()
	databases := map[string]func(t *testing.T) map[string]filled{"sqlite": sqliteFilled}
	if both {
		databases["postgres"] = postgresFilled
	}
	for database, sinks := range databases {
		for _, sink := range []string{"inbox", "projection", "handler", "program"} {
			t.Run(database+" "+sink, func(t *testing.T) {
				t.Parallel()
				test(t, sinks(t)[sink], sink == "inbox")
			})
		}
	}
}

var fillingProjection = seed.Projection{Name: "filled.sql", Text: []byte(filledTable + ";\n-- on T\nINSERT INTO filled VALUES (:position, :id);\n")}

func postgresFilled(t *testing.T) map[string]filled {
	t.Helper()
	pool := newPool(t)
	read := func(table string) func(t *testing.T) []string {
		return func(t *testing.T) []string {
			rows, err := pool.Query(t.Context(), "SELECT position || ' ' || id FROM "+table+" ORDER BY position")
			must.OK(t, err)
			all, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must.OK(t, err)
			return all
		}
	}
	exec := postgresExec(pool)
	undo := func(t *testing.T, after int64) { exec(t, fmt.Sprint("DELETE FROM filled WHERE position > ", after)) }
	out, program := filler(t)
	return map[string]filled{
		"inbox": {func() seed.Target { return seedpgx.Open(pool).Inbox() }, read("eventfeed_inbox.events"), nil},
		"projection": {func() seed.Target {
			target, err := seedpgx.Open(pool).Projection(fillingProjection)
			must.OK(t, err)
			return target
		}, read("filled"), undo},
		"handler": {func() seed.Target {
			return seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
				_, err := tx.Exec(ctx, strings.Replace(filledTable, "TABLE", "TABLE IF NOT EXISTS", 1))
				for i := 0; err == nil && i < len(b.Events); i++ {
					_, err = tx.Exec(ctx, "INSERT INTO filled VALUES ($1, $2)", b.Events[i].Position, b.Events[i].ID)
				}
				return err
			})
		}, read("filled"), undo},
		"program": {func() seed.Target { return seedpgx.Open(pool).Program(program) }, out.lines, out.undo},
	}
}

func sqliteFilled(t *testing.T) map[string]filled {
	t.Helper()
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	read := func(table string) func(t *testing.T) []string {
		return func(t *testing.T) (all []string) {
			withSQLite(t, path, func(db *sql.DB) {
				var text sql.NullString
				must.OK(t, db.QueryRowContext(t.Context(), "SELECT group_concat(position || ' ' || id, '\n' ORDER BY position) FROM "+table).Scan(&text))
				if text.Valid {
					all = strings.Split(text.String, "\n")
				}
			})
			return all
		}
	}
	undo := func(t *testing.T, after int64) {
		sqliteExec(path)(t, fmt.Sprint("DELETE FROM filled WHERE position > ", after))
	}
	out, program := filler(t)
	return map[string]filled{
		"inbox": {func() seed.Target { return seedsqlite.Open(path).Inbox() }, read("eventfeed_inbox_events"), nil},
		"projection": {func() seed.Target {
			target, err := seedsqlite.Open(path).Projection(fillingProjection)
			must.OK(t, err)
			return target
		}, read("filled"), undo},
		"handler": {func() seed.Target {
			return seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
				_, err := tx.ExecContext(ctx, strings.Replace(filledTable, "TABLE", "TABLE IF NOT EXISTS", 1))
				for i := 0; err == nil && i < len(b.Events); i++ {
					_, err = tx.ExecContext(ctx, "INSERT INTO filled VALUES (?, ?)", b.Events[i].Position, b.Events[i].ID)
				}
				return err
			})
		}, read("filled"), undo},
		"program": {func() seed.Target { return seedsqlite.Open(path).Program(program) }, out.lines, out.undo},
	}
}

// filledFile is a file that a program fills with a line for each event.
type filledFile string

func filler(t *testing.T) (filledFile, seed.Program) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "filled")
	return filledFile(path), seed.Program{Command: `sed -u -n 's/^{"specversion":"1.0","id":"\([^"]*\)".*"efposition":"\([0-9]*\)".*/\2 \1/p' |
		while read -r position id; do echo "$position $id" >>` + path + `; echo "$position"; done`}
}

func (f filledFile) lines(t *testing.T) []string {
	text, err := os.ReadFile(string(f))
	must.OK(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (f filledFile) undo(t *testing.T, after int64) {
	kept := slices.DeleteFunc(f.lines(t), func(line string) bool {
		position, err := strconv.ParseInt(strings.Fields(line)[0], 10, 64)
		must.OK(t, err)
		return position > after
	})
	must.OK(t, os.WriteFile(string(f), []byte(strings.Join(kept, "\n")+"\n"), 0o600))
}

// served are the lines of a feed's events.
func (s *source) served(t *testing.T) (lines []string) {
	for _, e := range storetest.Read(t, s.Log, "f") {
		lines = append(lines, fmt.Sprint(e.Position, " ", e.ID))
	}
	return lines
}

func (s *source) addNamed(t *testing.T, prefix string, first, last int) {
	t.Helper()
	all := make([]event.Event, 0, last-first+1)
	for n := first; n <= last; n++ {
		all = append(all, event.Event{ID: fmt.Sprint(prefix, n), Source: "/s", Type: "T", Subject: "s", Time: year2020})
	}
	storetest.Append(t, s.Log, "f", all)
	storetest.Drain(t, s.Log, "f")
}

// TestNoWayBackEndsInAMixOfHistories: a log is restored to position 25, which is
// said at once, too late or never. Whatever a reader of the lost events has
// filled, it is told how far the two agree; it cannot go back less far, and
// where it filled something else than the inbox not before it has undone that.
func TestNoWayBackEndsInAMixOfHistories(t *testing.T) {
	for name, test := range map[string]struct {
		lost      int // last position before the restore
		late, end int // a new epoch begins behind late, 0: none does; and the restored feed ends at end
	}{
		"a new epoch at once":                         {40, 25, 35},
		"a new epoch too late":                        {40, 30, 35},
		"a new epoch too late, and far more was lost": {300, 60, 90},
		"none, and the feed ends earlier":             {40, 0, 35},
		"none, and the feed has gone past it":         {40, 0, 120},
	} {
		t.Run(name, func(t *testing.T) {
			eachFilled(t, test.lost < 300, func(t *testing.T, f filled, isInbox bool) {
				s := openSource(t, testdb.SQLite(t))
				storetest.Create(t, s.Log, "f", 10)
				s.addNamed(t, "first-", 1, 25)
				backup := s.backup(t)
				s.addNamed(t, "lost-", 26, test.lost)
				_, err := run(t, seed.Config{From: []string{s.feed()}, Into: f.open()})
				must.OK(t, err)
				lost := s.served(t)

				restored := openSource(t, backup)
				at := 25
				if test.late > 0 {
					restored.addNamed(t, "new-", 26, test.late)
					at = test.late
					must.OK(t, restored.NewEpoch(t.Context(), "f", "restored"))
				}
				restored.addNamed(t, "new-", at+1, test.end)
				config := seed.Config{From: []string{restored.feed()}}

				_, err = run(t, withTarget(config, f))
				loss, is := errors.AsType[*seed.LostError](err)
				if !is || !loss.Compared || loss.Common > 25 || loss.Common < 25-int64(test.lost-25)/8 || isInbox && loss.Common != 25 {
					t.Fatalf("stopped with %v", err)
				}
				config.Undone = true
				if err := seed.Rewind(t.Context(), withTarget(config, f), 26, nil); !errors.Is(err, seed.ErrMismatch) {
					t.Errorf("went back to position 26 with %v", err)
				}
				config.Undone = false
				if !isInbox {
					for _, err := range []error{
						seed.Rewind(t.Context(), withTarget(config, f), loss.Common, nil),
						reset(t.Context(), withTarget(config, f), nil),
					} {
						if _, is := errors.AsType[*seed.NotUndoneError](err); !is {
							t.Errorf("went back with %v", err)
						}
					}
					_, err = run(t, withTarget(config, f))
					if again, is := errors.AsType[*seed.LostError](err); !is || again.Common != loss.Common {
						t.Errorf("stopped with %v", err)
					}
				}
				if got := f.lines(t); !slices.Equal(got, lost) {
					t.Fatalf("something has changed: %.300v", got)
				}
				if !isInbox {
					f.undo(t, loss.Common)
					config.Undone = true
				}
				must.OK(t, seed.Rewind(t.Context(), withTarget(config, f), loss.Common, nil))
				_, err = run(t, withTarget(config, f))
				must.OK(t, err)
				if got, want := f.lines(t), restored.served(t); !slices.Equal(got, want) {
					t.Errorf("filled with %.300v, want %.300v", got, want)
				}
			})
		})
	}
}

func withTarget(c seed.Config, f filled) seed.Config {
	c.Into = f.open()
	return c
}

// TestALossNamesItsFeed, of several.
func TestALossNamesItsFeed(t *testing.T) {
	t.Parallel()
	one, two := newSource(t, 15), newSource(t, 25)
	backup := two.backup(t)
	two.add(t, 26, 40)
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	config := seed.Config{From: []string{one.feed(), two.feed()}, Into: seedsqlite.Open(path).Inbox()}
	must.OK(t, seed.Run(t.Context(), config))
	restored := restoreSource(t, backup)
	restored.addOthers(t, 26, 30)
	config.From[1] = restored.feed()
	err := seed.Run(t.Context(), config)
	about, named := errors.AsType[*seed.FeedError](err)
	loss, lost := errors.AsType[*seed.LostError](err)
	if !named || !lost || about.From != restored.feed() || loss.Common != 25 {
		t.Errorf("stopped with %v", err)
	}
	must.OK(t, seed.Rewind(t.Context(), seed.Config{From: []string{about.From}, Into: config.Into}, loss.Common, nil))
	must.OK(t, seed.Run(t.Context(), config))
}
