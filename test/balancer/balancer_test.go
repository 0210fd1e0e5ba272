//go:build linux

// Package balancer_test lets seeders follow a feed that two servers of one
// database serve behind a balancer, while events come in bursts, a server is
// frozen, and the database fails over to its standby.
package balancer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/outbox"
)

// pageSize is so small, and burst so large, that pages close all the time: one
// server then knows of a page before the other does.
const (
	pageSize = 100
	burst    = 300
)

// TestFailoverWithoutLoss: what was served is on the synchronous standby. So no
// seeder may ever see a loss, with whichever server it speaks.
func TestFailoverWithoutLoss(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for name, balance := range testproxy.Balancers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, bin, balance)
			s.primary.Execute(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
			s.primary.Execute(t, "SELECT pg_reload_conf()")
			following := s.followers(t)
			again := s.runAgainAndAgain(t)
			writer := s.write(t, "")
			s.freezeInTurn(t)

			s.servers[1].signal(t, syscall.SIGSTOP)
			s.primary.Stop(t, "immediate")
			s.standby.Promote(t)
			time.Sleep(time.Second)
			s.servers[1].signal(t, syscall.SIGCONT)
			time.Sleep(3 * time.Second)

			position := writer.stop(t)
			for _, f := range following {
				f.reaches(t, position)
				f.stops(t)
				s.wantSame(t, f)
			}
			s.wantSame(t, again(t))
		})
	}
}

// TestFailoverWithLoss: the standby lacks what the primary served last. A seeder
// that has read that ends with status 3, not before, and goes on after what it is
// told to run. One that has not read that goes on by itself.
func TestFailoverWithLoss(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for name, balance := range testproxy.Balancers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t, bin, balance)
			following := s.followers(t)
			within := &seeder{bin: bin, name: "seeder of the common part", from: s.from, into: testdb.SQLite(t)}
			writer := s.write(t, "")
			s.freezeInTurn(t)
			common := writer.stop(t)
			for _, f := range following {
				f.reaches(t, common)
			}
			must.OK(t, within.runOnce(0))
			s.waitReplicated(t)
			s.standby.Stop(t, "fast")

			writer = s.write(t, "lost-")
			time.Sleep(time.Second)
			lost := writer.stop(t)
			for _, f := range following {
				f.reaches(t, lost)
			}
			s.servers[1].signal(t, syscall.SIGSTOP)
			s.primary.Stop(t, "immediate")
			s.standby.Start(t)
			s.standby.Promote(t)
			writer = s.write(t, "new-")
			time.Sleep(time.Second)
			s.servers[1].signal(t, syscall.SIGCONT)

			for _, f := range following {
				f.process.wantEnd(t, 3)
			}
			position := writer.stop(t)
			for _, f := range following {
				f.rewindAsTold(t, common)
				f.follow(t)
				f.reaches(t, position)
				f.stops(t)
				s.wantSame(t, f)
			}
			must.OK(t, within.runOnce(0))
			s.wantSame(t, within)
		})
	}
}

// TestServersBehindAPooler: nobody tells a server there what the other one has done.
func TestServersBehindAPooler(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for name, balance := range testproxy.Balancers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &setting{bin: bin, database: testdb.Postgres(t)}
			s.serve(t, testdb.Bouncer(t, s.database), balance)
			following := s.followers(t)
			writer := s.write(t, "")
			s.freezeInTurn(t)
			position := writer.stop(t)
			for _, f := range following {
				f.reaches(t, position)
				f.stops(t)
				s.wantSame(t, f)
			}
		})
	}
}

// setting is a feed f in a primary with a standby, and two servers behind a
// balancer.
type setting struct {
	bin              string
	primary, standby *testcluster.Cluster
	database         string // URL of both
	log              *store.Log
	servers          [2]*process
	from             string // URL of the feed behind the balancer
}

func newSetting(t *testing.T, bin string, balance func(t testing.TB, servers ...string) string) *setting {
	t.Helper()
	s := &setting{bin: bin, primary: testcluster.New(t)}
	s.primary.Start(t)
	s.primary.MakeRoles(t)
	s.standby = s.primary.Backup(t, "-R")
	s.standby.Start(t)
	s.database = fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=5",
		s.primary.Port, s.standby.Port)
	s.serve(t, s.database, balance)
	return s
}

// serve makes the feed and starts the servers, which reach the database at a URL
// of theirs.
func (s *setting) serve(t *testing.T, theirs string, balance func(t testing.TB, servers ...string) string) {
	t.Helper()
	s.log = storetest.Open(t, s.database)
	storetest.Create(t, s.log, "f", pageSize)
	var addresses [2]string
	for i := range s.servers {
		s.servers[i], addresses[i] = server(t, s.bin, fmt.Sprintf("server %d", i+1), theirs)
	}
	s.from = balance(t, addresses[:]...) + "/feeds/f"
}

// followers are a seeder of each kind of database, at work.
func (s *setting) followers(t *testing.T) []*seeder {
	t.Helper()
	all := []*seeder{
		{bin: s.bin, name: "seeder into SQLite", from: s.from, into: testdb.SQLite(t)},
		{bin: s.bin, name: "seeder into PostgreSQL", from: s.from, into: testdb.Postgres(t)},
	}
	for _, f := range all {
		f.follow(t)
	}
	return all
}

// runAgainAndAgain runs a seeder that starts over all the time, as a job does.
// The function that it returns lets it read to the end.
func (s *setting) runAgainAndAgain(t *testing.T) (finish func(*testing.T) *seeder) {
	t.Helper()
	job := &seeder{bin: s.bin, name: "seeder that starts over", from: s.from, into: testdb.SQLite(t)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := job.runOnce(0); err != nil {
				done <- err
				return
			}
		}
		done <- job.runOnce(0)
	}()
	return func(t *testing.T) *seeder {
		t.Helper()
		stop()
		must.OK(t, <-done)
		return job
	}
}

// freezeInTurn freezes each server for a while, among the bursts.
func (s *setting) freezeInTurn(t *testing.T) {
	t.Helper()
	for _, frozen := range s.servers {
		time.Sleep(time.Second)
		frozen.signal(t, syscall.SIGSTOP)
		time.Sleep(2 * time.Second)
		frozen.signal(t, syscall.SIGCONT)
	}
	time.Sleep(time.Second)
}

func (s *setting) waitReplicated(t *testing.T) {
	t.Helper()
	var end string
	query(t, s.primary.URL(), "SELECT pg_current_wal_lsn()::text", &end)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var reached bool
		query(t, s.standby.URL(), "SELECT pg_last_wal_replay_lsn() >= '"+end+"'", &reached)
		if reached {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby does not get there")
		}
	}
}

func query(t *testing.T, url, sql string, value any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	must.OK(t, conn.QueryRow(t.Context(), sql).Scan(value))
}

// wantSame compares what a seeder has with the log: its checkpoint, and each
// event's place.
func (s *setting) wantSame(t *testing.T, f *seeder) {
	t.Helper()
	position, digest := storetest.Verify(t, s.log, "f")
	if f.standing("position") != fmt.Sprint(position) || f.standing("digest") != digest {
		t.Errorf("%s is at position %s with digest %s, the log at %d with %s", f.name, f.standing("position"), f.standing("digest"), position, digest)
	}
	got := f.inbox(t)
	want := storetest.Read(t, s.log, "f")
	if len(got) != len(want) {
		t.Fatalf("%s has %d events, want %d", f.name, len(got), len(want))
	}
	for i, e := range want {
		if got[i] != fmt.Sprint(e.Position, " ", e.ID) {
			t.Fatalf("%s has event %s, want %s at position %d", f.name, got[i], e.ID, e.Position)
		}
	}
}

// inbox returns position and id of each event, in order.
func (s *seeder) inbox(t *testing.T) (all []string) {
	t.Helper()
	var db *sql.DB
	var err error
	table := "eventfeed_inbox_events"
	if path, isSQLite := strings.CutPrefix(s.into, sqlitedb.Scheme); isSQLite {
		db, err = sqlitedb.OpenReader(t.Context(), path)
	} else {
		table = "eventfeed_inbox.events"
		db, err = sql.Open("pgx", s.into)
	}
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT position, id FROM "+table+" ORDER BY position")
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var position int64
		var id string
		must.OK(t, rows.Scan(&position, &id))
		all = append(all, fmt.Sprint(position, " ", id))
	}
	must.OK(t, rows.Err())
	return all
}

var rewindLine = regexp.MustCompile(`seeder (rewind --from \S+ --into \S+ --to (\d+))`)

// rewindAsTold runs the command that a seeder has printed at its end.
func (s *seeder) rewindAsTold(t *testing.T, common int64) {
	t.Helper()
	told := rewindLine.FindStringSubmatch(s.process.said.String())
	if len(told) < 3 || told[2] != fmt.Sprint(common) {
		t.Fatalf("%s does not tell to go back to position %d:\n%s", s.name, common, last(s.process.said))
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", filepath.Join(s.bin, "seeder")+" "+told[1]+" --yes")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// writer appends bursts of events.
type writer struct {
	end  context.CancelFunc
	done chan error
	log  *store.Log
}

// write appends bursts until the writer is stopped. Whatever happens, it tries
// each again until it is in.
func (s *setting) write(t *testing.T, prefix string) *writer {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	w := &writer{end, make(chan error, 1), s.log}
	go func() {
		defer close(w.done)
		for first := 1; ctx.Err() == nil; first += burst {
			events := storetest.Events(first, first+burst-1)
			for i := range events {
				events[i].ID = prefix + events[i].ID
			}
			if err := s.append(t.Context(), events); err != nil {
				w.done <- err
				return
			}
			time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		}
	}()
	return w
}

// append appends events in one transaction, once, though an error may come after
// its commit.
func (s *setting) append(ctx context.Context, events []event.Event) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		err = func() error {
			conn, err := pgx.Connect(ctx, s.database)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				_, err := outbox.Append(ctx, tx, "f", events...)
				return err
			})
		}()
		if err == nil || ctx.Err() != nil || errors.Is(err, outbox.ErrConflict) {
			return err
		}
	}
	return err
}

// stop ends the bursts, and returns the feed's position when all events have
// theirs.
func (w *writer) stop(t *testing.T) int64 {
	t.Helper()
	w.end()
	if err := <-w.done; err != nil {
		t.Fatalf("append: %v", err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		f, err := w.log.Feed(t.Context(), "f")
		if err == nil {
			pending, err := w.log.Pending(t.Context(), f.Key)
			if err == nil && pending == 0 && f.Archives == f.Open.Number-1 {
				// Once more: its events were not pending when the feed was read.
				if again, err := w.log.Feed(t.Context(), "f"); err == nil && again.Position == f.Position {
					return f.Position
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("events get no positions: %+v, %v", f, err)
		}
	}
}
