//go:build unix

package seed_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// programs is a target for each database whose events a shell program takes, in a
// folder of its own.
type programs struct {
	t      *testing.T
	folder string
	into   func(command string) seed.Target
	exec   func(t *testing.T, statement string)
	// position returns where the checkpoint is.
	position func() string
	lose     func() // lets the seeder lose its lock
}

func eachProgram(t *testing.T, test func(t *testing.T, p programs)) {
	t.Helper()
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pool := newPool(t)
		p := programs{t: t, folder: t.TempDir(), exec: postgresExec(pool)}
		p.into = func(command string) seed.Target {
			return seedpgx.Open(pool).Program(seed.Program{Command: p.in(command)})
		}
		p.position = func() (position string) {
			must.OK(t, pool.QueryRow(t.Context(), "SELECT position::text FROM eventfeed_seed.checkpoints").Scan(&position))
			return position
		}
		p.lose = func() {
			postgresExec(pool)(t, `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
				WHERE l.locktype = 'advisory' AND d.datname = current_database()`)
		}
		test(t, p)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		p := programs{t: t, folder: t.TempDir(), exec: sqliteExec(path)}
		p.into = func(command string) seed.Target {
			return seedsqlite.Open(path).Program(seed.Program{Command: p.in(command)})
		}
		p.position = func() string {
			return strings.Join(querySQLite(t, path, "SELECT position FROM eventfeed_checkpoints"), " ")
		}
		p.lose = func() { must.OK(t, os.Remove(path+".lock")) }
		test(t, p)
	})
}

// in is a command in the folder, with each event's $p.
func (p programs) in(do string) string {
	return "cd '" + p.folder + `'; while IFS= read -r event; do p=${event#*'"efposition":"'} p=${p%%'"'*}; ` + do + "; done"
}

// file returns the words in a file of the folder.
func (p programs) file(name string) []string {
	text, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// TestSeederThatHasLostItsLockKillsItsProgram: at once, whatever call that is in,
// and before it claims the consumer again. The next program begins behind the
// checkpoint.
func TestSeederThatHasLostItsLockKillsItsProgram(t *testing.T) {
	eachProgram(t, func(t *testing.T, p programs) {
		s := newSource(t, 20)
		const command = `trap '' TERM
			if [ ! -e first ]; then echo $$ >first; elif [ $$ != $(cat first) ] && kill -0 $(cat first) 2>/dev/null; then echo $p >>beside; fi
			echo $p >>seen; echo $p; if [ $p = 10 ] && [ $$ = $(cat first) ]; then sleep 1000; fi`
		done := make(chan error, 1)
		go func() { done <- seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: p.into(command)}) }()
		waitUntil(t, func() bool { return slices.Contains(p.file("seen"), "10") })
		waitUntil(t, func() bool { return p.position() == "10" })
		p.lose()
		must.OK(t, <-done)
		seen := p.file("seen")
		if want := fields(1, 20); !slices.Equal(seen, want) {
			t.Errorf("saw %v", seen)
		}
		if beside := p.file("beside"); len(beside) > 0 {
			t.Errorf("saw %v beside another program", beside)
		}
	})
}

// TestProgramIsGivenWhatWasRewound, though it has acknowledged it before.
func TestProgramIsGivenWhatWasRewound(t *testing.T) {
	eachProgram(t, func(t *testing.T, p programs) {
		s := newSource(t, 10)
		const command = "echo $p >>seen; echo $p"
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: p.into(command)}))
		p.exec(t, "CREATE TABLE kept AS SELECT * FROM CHECKPOINTS")
		s.add(t, 11, 20)
		f := follow(t, seed.Config{From: []string{s.feed()}, Into: p.into(command), PollInterval: 10 * time.Millisecond, Wait: -1})
		f.wait(t, 20)
		p.exec(t, "UPDATE CHECKPOINTS SET position = (SELECT position FROM kept), digest = (SELECT digest FROM kept)")
		p.lose()
		time.Sleep(1500 * time.Millisecond) // until that is noticed
		s.add(t, 21, 25)
		f.wait(t, 25)
		must.OK(t, f.stop())
		if seen, want := p.file("seen"), append(fields(1, 20), fields(11, 25)...); !slices.Equal(seen, want) {
			t.Errorf("saw %v, want %v", seen, want)
		}
	})
}

// fields are the positions from one to another, as a program prints them.
func fields(from, to int) (all []string) {
	for ; from <= to; from++ {
		all = append(all, fmt.Sprint(from))
	}
	return all
}
