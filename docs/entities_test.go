package docs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

func TestEntitiesWalkPrintsWhatItShows(t *testing.T) {
	t.Parallel()
	printed, shown := walk(t, "entities.md", "")
	if len(shown) == 0 {
		t.Fatal("the page shows nothing")
	}
	mustShow(t, printed, shown[:len(shown)-1]...) // the last one is what the program prints
}

func TestProgramOfEntitiesPrintsWhatThePageShows(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("entities.md")
	must.OK(t, err)
	parts := regexp.MustCompile("(?s)```go\n(.*?)```.*?```text\n(.*?)```").FindStringSubmatch(string(text))
	if parts == nil {
		t.Fatal("there is no program with what it prints")
	}
	database := testdb.Postgres(t)
	_, err = storetest.Open(t, database).Create(t.Context(), store.Feed{Name: "orders", Entities: true})
	must.OK(t, err)
	program := exec.CommandContext(t.Context(), build(t, "entities", parts[1]))
	program.Env = append(os.Environ(), "DATABASE_URL="+database)
	out, err := program.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != strings.TrimSpace(parts[2]) {
		t.Errorf("%v, printed\n%s\nwant\n%s", err, out, parts[2])
	}
}
