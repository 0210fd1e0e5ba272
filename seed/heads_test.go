package seed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// typed adds events of these types, all of one subject, to the feed f.
func (s *source) typed(t *testing.T, first int, types ...string) {
	t.Helper()
	events := storetest.Events(first, first+len(types)-1)
	for i := range events {
		events[i].Type, events[i].Subject = types[i], "one"
	}
	storetest.Append(t, s.Log, "f", events)
	storetest.Drain(t, s.Log, "f")
}

// TestARunFromTheFirstEventNamesTheBlocksThatNoneMatched, and a later one does
// not, which cannot know.
func TestARunFromTheFirstEventNamesTheBlocksThatNoneMatched(t *testing.T) {
	t.Parallel()
	s := openSource(t, testdb.SQLite(t))
	storetest.Create(t, s.Log, "f", 10)
	s.typed(t, 1, "A", "Waits", "C", "C")
	const text = `CREATE TABLE a (n integer CHECK (n > 0));
-- on A
INSERT INTO a VALUES (0);
-- on Waits, Mistyped, f/C
-- on g/C
-- on Waits live
-- on C2 live
`
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	run := func(change func(*seed.Config)) (last seed.Progress) {
		t.Helper()
		into, err := seedsqlite.Open(path).Projection(seed.Projection{Name: "sql/a.sql", Text: []byte(text)})
		must.OK(t, err)
		config := seed.Config{From: []string{s.feed()}, Into: into, OnError: seed.Park, Progress: func(p seed.Progress) { last = p }}
		change(&config)
		must.OK(t, seed.Run(t.Context(), config))
		return last
	}
	const all = "[{sql/a.sql:4 Mistyped } {sql/a.sql:5 g/C g} {sql/a.sql:7 C2 }]"
	for _, c := range []struct {
		rule, want string
		change     func(*seed.Config)
	}{
		{"a rehearsal", all, func(c *seed.Config) { c.DryRun = true }},
		{"to a position", "[{sql/a.sql:4 Mistyped } {sql/a.sql:4 f/C f} {sql/a.sql:5 g/C g} {sql/a.sql:7 C2 }]", func(c *seed.Config) { c.DryRun, c.Until = true, 2 }},
		{"all, with events that wait", all, func(*seed.Config) {}},
		{"nothing new", "[]", func(*seed.Config) {}},
	} {
		if got := fmt.Sprint(run(c.change).Unmatched); got != c.want {
			t.Errorf("%s: %s, want %s", c.rule, got, c.want)
		}
	}
	s.typed(t, 5, "C", "Other", "Other", "A")
	p := run(func(*seed.Config) {})
	if fmt.Sprint(p.Unmatched) != "[]" {
		t.Errorf("from position 4 on: %v", p.Unmatched)
	}
}

// TestSkippedEventsAreCountedByType: a type without a block is to be seen.
func TestSkippedEventsAreCountedByType(t *testing.T) {
	t.Parallel()
	s := openSource(t, testdb.SQLite(t))
	storetest.Create(t, s.Log, "f", 10)
	s.typed(t, 1, "A", "B", "C", "B")
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	into, err := seedsqlite.Open(path).Projection(seed.Projection{Name: "a.sql", Text: []byte("-- on A, C")})
	must.OK(t, err)
	var last seed.Progress
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into, Progress: func(p seed.Progress) { last = p }}))
	if got := fmt.Sprint(last.Types, last.SkippedTypes); got != "map[A:1 B:2 C:1] map[B:2]" {
		t.Errorf("types, skipped ones: %s", got)
	}
}

// TestTheErrorOfAParkedEventDoesNotNameTheEvent, which stands beside it.
func TestTheErrorOfAParkedEventDoesNotNameTheEvent(t *testing.T) {
	t.Parallel()
	s := openSource(t, testdb.SQLite(t))
	storetest.Create(t, s.Log, "f", 10)
	s.typed(t, 1, "A")
	path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
	open := func() seed.Target {
		into, err := seedsqlite.Open(path).Projection(seed.Projection{Name: "sql/a.sql", Text: []byte("CREATE TABLE a (n integer CHECK (n > 0));\n-- on A\nINSERT INTO a VALUES (0)")})
		must.OK(t, err)
		return into
	}
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: open(), OnError: seed.Park}))
	const want = "sql/a.sql:3: INSERT INTO a VALUES (0): "
	for p, err := range seed.Parked(t.Context(), open(), seed.ParkedFilter{}) {
		must.OK(t, err)
		if !strings.HasPrefix(p.Error, want) {
			t.Errorf("parked: %s", p.Error)
		}
	}
	done, err := retry(t.Context(), seed.Config{Into: open()}, seed.ParkedFilter{})
	must.OK(t, err)
	if len(done.Failed) != 1 || !strings.HasPrefix(done.Failed[0].Error, want) {
		t.Errorf("tried again: %+v", done.Failed)
	}
}
