package sqlitedb_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

const oneToThree = "SELECT value FROM json_each('[1, 2, 3]') ORDER BY value"

// The pool has one connection, so that a query waits as long as its context lasts if the
// one before it left its rows open.
func TestRowsEndTheirQueryHoweverTheIterationEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db := numbers(t, filepath.Join(t.TempDir(), "a.db"), 1)
	errScan := errors.New("no good")
	refuse2 := func(row sqlitedb.Row) (n int, err error) {
		if n, err = sqlitedb.RowTo[int](row); n == 2 {
			return n, errScan
		}
		return n, err
	}
	for _, test := range []struct {
		name  string
		query string
		scan  func(sqlitedb.Row) (int, error)
		until int
		want  []int
		fails string
	}{
		{"no rows", "SELECT 1 WHERE 0", sqlitedb.RowTo[int], 9, nil, ""},
		{"all rows", oneToThree, sqlitedb.RowTo[int], 9, []int{1, 2, 3}, ""},
		{"left at the second row", oneToThree, sqlitedb.RowTo[int], 2, []int{1, 2}, ""},
		{"a row that scan refuses", oneToThree, refuse2, 9, []int{1}, "no good"},
		{"a query that is none", "SELECT", sqlitedb.RowTo[int], 9, nil, "incomplete input"},
		{"a query that fails at its third row", // abs of the lowest integer is an overflow
			"SELECT abs(value) FROM json_each('[1, 2, -9223372036854775808, 4]')", sqlitedb.RowTo[int], 9, []int{1, 2}, "integer overflow"},
	} {
		var got []int
		var failed []error
		for n, err := range sqlitedb.Rows(ctx, db, test.scan, test.query) {
			if err != nil {
				failed = append(failed, err)
				continue // an error is the last that is yielded
			}
			if got = append(got, n); n == test.until {
				break
			}
		}
		if !slices.Equal(got, test.want) || len(failed) > 1 || !isError(errors.Join(failed...), test.fails) {
			t.Errorf("%s: %v, errors %v; want %v, %q", test.name, got, failed, test.want, test.fails)
		}
		if test.until < 9 {
			continue
		}
		all, err := sqlitedb.CollectRows(ctx, db, test.scan, test.query)
		want := test.want
		if test.fails != "" {
			want = nil
		}
		if !slices.Equal(all, want) || !isError(err, test.fails) {
			t.Errorf("%s, collected: %v, %v; want %v, %q", test.name, all, err, want, test.fails)
		}
	}
}

// isError reports whether err has a text in it, or is none where the text is empty.
func isError(err error, text string) bool {
	if err == nil || text == "" {
		return err == nil && text == ""
	}
	return strings.Contains(err.Error(), text)
}

func TestNullTimeIsWhatTimeReads(t *testing.T) {
	t.Parallel()
	db := numbers(t, filepath.Join(t.TempDir(), "a.db"), 1)
	for _, want := range []time.Time{{}, time.Date(2026, 11, 30, 9, 0, 0, 250_000, time.UTC)} {
		got := time.Now()
		err := db.QueryRowContext(t.Context(), "SELECT ?", sqlitedb.NullTime(want)).Scan(sqlitedb.Time(&got))
		if err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
}

func TestTimeReadsTextAndNothingElse(t *testing.T) {
	t.Parallel()
	db := numbers(t, filepath.Join(t.TempDir(), "a.db"), 1)
	for value, want := range map[string]struct {
		time  time.Time
		fails string
	}{
		"'2026-11-30T09:00:00.000250Z'": {time.Date(2026, 11, 30, 9, 0, 0, 250_000, time.UTC), ""},
		"'2026-11-30T10:00:00+01:00'":   {time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), ""},
		"NULL":                          {time.Time{}, ""},
		"'2026-11-30'":                  {time.Time{}, `name "at": time "2026-11-30" is not an RFC 3339 time`},
		"1796029200":                    {time.Time{}, `name "at": a time is stored as int64`},
	} {
		got := time.Now()
		err := db.QueryRowContext(t.Context(), "SELECT "+value+" AS at").Scan(sqlitedb.Time(&got))
		if !isError(err, want.fails) || want.fails == "" && got != want.time {
			t.Errorf("%s: %v, %v; want %v, %q", value, got, err, want.time, want.fails)
		}
	}
}
