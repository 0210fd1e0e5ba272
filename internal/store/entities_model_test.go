package store_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/outbox"
)

// service is what a service does with a feed in a database, in transactions of its own.
type service interface {
	entities() entity.DB
	begin(ctx context.Context) (serviceTx, error)
	// load returns the version of a snapshot, or 0, and the ids of the events after it,
	// page by page; save keeps a snapshot. Only PostgreSQL has functions for them.
	load(ctx context.Context, feed, subject, revision string, page int) (snapshot int64, ids []string, err error)
	save(ctx context.Context, feed, subject, revision string, version int64, id string) (bool, error)
}

type serviceTx interface {
	// append returns how many events were not there, or outbox.ErrVersion or
	// outbox.ErrConflict, wrapped. An error ends the transaction, or what was done since
	// the savepoint.
	append(ctx context.Context, feed string, events []event.Event, expected outbox.Versions) (int, error)
	exec(ctx context.Context, statement string) error
}

// A failure names its seed; its file would be in the way of the next run. Each run draws other
// numbers: 40 sequences of steps are enough for one, and -rapid.checks 1000 makes more.
func init() {
	_ = flag.Set("rapid.nofailfile", "true")
	_ = flag.Set("rapid.checks", "40")
}

// TestEntitiesAreWhatAMapWouldBe does at random what services do, in the database and
// in a map, and compares them.
func TestEntitiesAreWhatAMapWouldBe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		var s service
		if path, is := strings.CutPrefix(url, sqlitedb.Scheme); is {
			db, err := sqlitedb.OpenWriter(t.Context(), path)
			must.OK(t, err)
			t.Cleanup(func() { _ = db.Close() })
			s = sqliteService{db}
		} else {
			conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Owner))
			must.OK(t, err)
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			s = postgresService{conn}
		}
		var runs atomic.Int64
		rapid.Check(t, func(r *rapid.T) {
			m := &model{log: l, service: s, feed: fmt.Sprintf("f%d", runs.Add(1)), entities: map[string][]string{}, subjects: map[string]string{}, snapshots: map[string]int64{}}
			m.numbered = rapid.Bool().Draw(r, "entities from the start")
			f, err := l.Create(t.Context(), store.Feed{Name: m.feed, Entities: m.numbered})
			if err != nil {
				r.Fatal(err)
			}
			m.key = f.Key
			r.Repeat(map[string]func(*rapid.T){
				"append":       m.transaction,
				"append again": m.again,
				"save":         m.save,
				"load":         m.load,
				"update":       m.update,
				"place":        m.place,
				"number":       m.number,
				"":             m.check,
			})
			m.end(r)
		})
	})
}

// model is a feed, and what must be in it.
type model struct {
	log      *store.Log
	service  service
	feed     string
	key      int64
	numbered bool // the feed has entities

	entities  map[string][]string // ids, by subject; in the order of versions
	subjects  map[string]string   // by id, of all events
	snapshots map[string]int64    // version, by subject and revision
	last      call                // that was committed
	made      int                 // ids
}

// call is one append.
type call struct {
	events   []event.Event
	expected outbox.Versions
}

func (m *model) draw(r *rapid.T) call {
	c := call{expected: outbox.Versions{}}
	ids := slices.Sorted(maps.Keys(m.subjects))
	for range rapid.IntRange(1, 4).Draw(r, "events") {
		subject := rapid.SampledFrom([]string{"a", "b", "c", "ä", ""}).Draw(r, "subject")
		m.made++
		id := fmt.Sprint("id", m.made)
		switch kind := rapid.IntRange(0, 9).Draw(r, "kind"); {
		case kind == 0 && len(ids) > 0:
			id = rapid.SampledFrom(ids).Draw(r, "any id")
		case kind <= 2 && len(ids) > 0:
			id = rapid.SampledFrom(ids).Draw(r, "repeated id")
			subject = m.subjects[id]
		case kind == 3 && len(c.events) > 0:
			e := c.events[0]
			id, subject = e.ID, e.Subject
		}
		c.events = append(c.events, event.Event{ID: id, Type: "T", Subject: subject, Source: "/s"})
		if _, is := c.expected[subject]; m.numbered && subject != "" && !is && rapid.Bool().Draw(r, "expecting") {
			c.expected[subject] = max(0, int64(len(m.entities[subject])+rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(r, "wrong by")))
		}
	}
	return c
}

// want tells what an append must give, and if it succeeds does it in the map. Where there
// is more than one thing wrong, any of them may be named.
func (m *model) want(c call) (added int, wrong []error) {
	fresh := map[string]string{} // subjects, by id
	grown := map[string]bool{}
	var order []string
	for _, e := range c.events {
		subject, is := m.subjects[e.ID]
		if !is {
			subject, is = fresh[e.ID]
		}
		switch {
		case is && subject != e.Subject:
			wrong = append(wrong, outbox.ErrConflict)
		case !is:
			fresh[e.ID], grown[e.Subject] = e.Subject, true
			order = append(order, e.ID)
		}
	}
	for subject, expected := range c.expected {
		if grown[subject] && expected != int64(len(m.entities[subject])) {
			wrong = append(wrong, outbox.ErrVersion)
		}
	}
	if wrong != nil {
		return 0, wrong
	}
	for _, id := range order {
		subject := fresh[id]
		m.subjects[id] = subject
		if subject != "" {
			m.entities[subject] = append(m.entities[subject], id)
		}
	}
	return len(order), nil
}

// copied is the map as it is now.
func (m *model) copied() (entities map[string][]string, subjects map[string]string) {
	entities = map[string][]string{}
	for subject, ids := range m.entities {
		entities[subject] = slices.Clone(ids)
	}
	return entities, maps.Clone(m.subjects)
}

// transaction appends once or several times, each time in a savepoint that may be
// rolled back, and commits or rolls back.
func (m *model) transaction(r *rapid.T) {
	ctx := context.Background()
	entities, subjects := m.copied()
	tx, err := m.service.begin(ctx)
	m.ok(r, err)
	defer func() { _ = tx.exec(ctx, "ROLLBACK") }() // after the end it does nothing
	var last call
	for range rapid.IntRange(1, 3).Draw(r, "appends") {
		m.ok(r, tx.exec(ctx, "SAVEPOINT s"))
		before, known := m.copied()
		c := m.draw(r)
		m.append(r, tx, &c)
		if rapid.IntRange(0, 3).Draw(r, "back to the savepoint") == 0 || c.events == nil {
			m.ok(r, tx.exec(ctx, "ROLLBACK TO SAVEPOINT s"))
			m.entities, m.subjects = before, known
		} else {
			last = c
		}
	}
	if rapid.IntRange(0, 3).Draw(r, "rollback") == 0 {
		m.ok(r, tx.exec(ctx, "ROLLBACK"))
		m.entities, m.subjects = entities, subjects
		return
	}
	m.ok(r, tx.exec(ctx, "COMMIT"))
	m.last = last
}

// append compares what an append gives with the map, and empties a call that fails.
func (m *model) append(r *rapid.T, tx serviceTx, c *call) {
	want, wrong := m.want(*c)
	added, err := tx.append(context.Background(), m.feed, c.events, c.expected)
	right := err == nil && wrong == nil || slices.ContainsFunc(wrong, func(kind error) bool { return errors.Is(err, kind) })
	if !right || added != want {
		r.Fatalf("append %v: %d added, %v; want %d, %v", *c, added, err, want, wrong)
	}
	if err != nil {
		*c = call{}
	}
}

// again repeats the last append, as a service does that does not know its outcome.
func (m *model) again(r *rapid.T) {
	if m.last.events == nil {
		r.Skip("none yet")
	}
	ctx := context.Background()
	tx, err := m.service.begin(ctx)
	m.ok(r, err)
	defer func() { _ = tx.exec(ctx, "ROLLBACK") }() // after the end it does nothing
	added, err := tx.append(ctx, m.feed, m.last.events, m.last.expected)
	if added != 0 || err != nil {
		r.Fatalf("append %v again: %d added, %v", m.last, added, err)
	}
	m.ok(r, tx.exec(ctx, "COMMIT"))
}

// key of a snapshot.
func snapshotKey(subject, revision string) string { return subject + "/" + revision }

func (m *model) save(r *rapid.T) {
	if !m.numbered {
		r.Skip("no entities yet")
	}
	subject := rapid.SampledFrom([]string{"a", "b", "c", "ä"}).Draw(r, "subject")
	revision := rapid.SampledFrom([]string{"1", "2"}).Draw(r, "revision")
	ids := m.entities[subject]
	version := rapid.IntRange(0, len(ids)+1).Draw(r, "version")
	id := "none"
	if version >= 1 && version <= len(ids) && rapid.IntRange(0, 5).Draw(r, "wrong id") > 0 {
		id = ids[version-1]
	}
	saved, err := m.service.save(context.Background(), m.feed, subject, revision, int64(version), id)
	if errors.Is(err, errors.ErrUnsupported) {
		r.Skip(err)
	}
	m.ok(r, err)
	key := snapshotKey(subject, revision)
	if want := id != "none" && int64(version) >= m.snapshots[key]; saved != want {
		r.Fatalf("save %s at version %d (%s): %v, want %v", key, version, id, saved, want)
	}
	if saved {
		m.snapshots[key] = int64(version)
	}
}

func (m *model) load(r *rapid.T) {
	if !m.numbered {
		r.Skip("no entities yet")
	}
	subject := rapid.SampledFrom([]string{"a", "b", "c", "ä", "d"}).Draw(r, "subject")
	revision := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, "revision")
	snapshot, ids, err := m.service.load(context.Background(), m.feed, subject, revision, rapid.IntRange(1, 5).Draw(r, "page"))
	if errors.Is(err, errors.ErrUnsupported) {
		r.Skip(err)
	}
	m.ok(r, err)
	at := m.snapshots[snapshotKey(subject, revision)]
	if want := m.entities[subject][at:]; snapshot != at || !slices.Equal(ids, want) {
		r.Fatalf("load %s: snapshot %d and %v, want %d and %v", subject, snapshot, ids, at, want)
	}
}

// listed is the state of an entity in package entity: its ids.
type listed struct {
	IDs []string `json:"ids"`
}

func (m *model) repository() *entity.Repository[listed] {
	return &entity.Repository[listed]{Feed: m.feed, SnapshotEvery: 2, Apply: func(l listed, e event.Event) (listed, error) {
		l.IDs = append(l.IDs, e.ID)
		return l, nil
	}}
}

// update decides by package entity, which keeps snapshots of its own.
func (m *model) update(r *rapid.T) {
	if !m.numbered {
		r.Skip("no entities yet")
	}
	subject := rapid.SampledFrom([]string{"a", "b", "c", "ä", "d"}).Draw(r, "subject")
	var events []event.Event
	for range rapid.IntRange(0, 3).Draw(r, "events") {
		m.made++
		events = append(events, event.Event{ID: fmt.Sprint("id", m.made), Type: "T", Source: "/s"})
	}
	after, err := m.repository().Update(context.Background(), m.service.entities(), subject,
		func(_ context.Context, _ entity.Tx, l listed) ([]event.Event, error) {
			if !slices.Equal(l.IDs, m.entities[subject]) {
				r.Fatalf("entity %s is decided on as %v, want %v", subject, l.IDs, m.entities[subject])
			}
			return events, nil
		})
	m.ok(r, err)
	for _, e := range events {
		m.subjects[e.ID] = subject
		m.entities[subject] = append(m.entities[subject], e.ID)
	}
	loaded, err := m.repository().Load(context.Background(), m.service.entities(), subject)
	m.ok(r, err)
	for _, e := range []entity.Entity[listed]{after, loaded} {
		if want := m.entities[subject]; !slices.Equal(e.State.IDs, want) || e.Version != int64(len(want)) {
			r.Fatalf("entity %s is %v at version %d, want %v", subject, e.State.IDs, e.Version, want)
		}
	}
}

func (m *model) place(r *rapid.T) {
	_, err := m.log.Sequence(context.Background(), m.feed, rapid.IntRange(1, 5).Draw(r, "limit"))
	m.ok(r, err)
}

func (m *model) number(r *rapid.T) {
	m.ok(r, m.log.GiveEntities(context.Background(), m.feed, func(int64, int64, []string) {}))
	m.numbered = true
}

// check compares each entity after each step.
func (m *model) check(r *rapid.T) {
	if !m.numbered {
		return
	}
	for subject, want := range m.entities {
		var got []string
		m.ok(r, m.log.EntityEvents(context.Background(), m.key, subject, 1<<40, func(e *event.Event) error {
			got = append(got, e.ID)
			return nil
		}))
		if !slices.Equal(got, want) {
			r.Fatalf("entity %s has events %v, want %v", subject, got, want)
		}
	}
}

func (m *model) end(r *rapid.T) {
	m.number(r)
	m.check(r)
	for placed := 1; placed > 0; {
		var err error
		placed, err = m.log.Sequence(context.Background(), m.feed, 1000)
		m.ok(r, err)
	}
	position, _, err := m.log.Verify(context.Background(), m.feed)
	m.ok(r, err)
	if position != int64(len(m.subjects)) {
		r.Fatalf("the feed ends at position %d, want %d", position, len(m.subjects))
	}
}

func (m *model) ok(r *rapid.T, err error) {
	if err != nil {
		r.Fatal(err)
	}
}

type postgresService struct{ conn *pgx.Conn }

func (s postgresService) entities() entity.DB { return entity.Pgx(s.conn) }

func (s postgresService) begin(ctx context.Context) (serviceTx, error) {
	tx, err := s.conn.Begin(ctx)
	return postgresTx{tx}, err
}

func (s postgresService) load(ctx context.Context, feed, subject, revision string, page int) (snapshot int64, ids []string, err error) {
	for after := int64(0); ; {
		rows, err := s.conn.Query(ctx, "SELECT l.is_snapshot, l.version, l.id FROM eventfeed.load($1, $2, 'n', $3, after => $4, at_most => $5) l", feed, subject, revision, after, page)
		if err != nil {
			return 0, nil, err
		}
		var isSnapshot bool
		var version int64
		var id string
		n := 0
		_, err = pgx.ForEachRow(rows, []any{&isSnapshot, &version, &id}, func() error {
			if version != after+1 && !isSnapshot {
				return fmt.Errorf("version %d comes after %d", version, after)
			}
			if after = version; isSnapshot {
				snapshot = version
				return nil
			}
			ids = append(ids, id)
			n++
			return nil
		})
		if err != nil || n < page {
			return snapshot, ids, err
		}
	}
}

func (s postgresService) save(ctx context.Context, feed, subject, revision string, version int64, id string) (saved bool, err error) {
	err = s.conn.QueryRow(ctx, "SELECT eventfeed.save_snapshot($1, $2, 'n', $3, $4, $5, '/s', 'state')", feed, subject, revision, version, id).Scan(&saved)
	return saved, err
}

type postgresTx struct{ tx pgx.Tx }

func (t postgresTx) exec(ctx context.Context, statement string) error {
	switch statement {
	case "COMMIT":
		return t.tx.Commit(ctx)
	case "ROLLBACK":
		return t.tx.Rollback(ctx)
	}
	_, err := t.tx.Exec(ctx, statement)
	return err
}

// append appends one event by the function for it, which does not tell whether it is new.
func (t postgresTx) append(ctx context.Context, feed string, events []event.Event, expected outbox.Versions) (added int, err error) {
	if len(events) > 1 {
		result, err := outbox.AppendExpecting(ctx, t.tx, feed, expected, events...)
		return result.New, err
	}
	const count = "SELECT count(*) FROM eventfeed.events e JOIN eventfeed.feeds f ON f.feed = e.feed WHERE f.name = $1"
	e := events[0]
	var version *int64
	if v, is := expected[e.Subject]; is {
		version = &v
	}
	before, after := 0, 0
	if err := t.tx.QueryRow(ctx, count, feed).Scan(&before); err != nil {
		return 0, err
	}
	_, err = t.tx.Exec(ctx, "SELECT eventfeed.append_bytes($1, 'T', $2, NULL, NULL, id => $3, source => '/s', expected_version => $4)", feed, e.Subject, e.ID, version)
	if refusal, is := errors.AsType[*pgconn.PgError](err); is {
		switch refusal.ConstraintName {
		case "eventfeed_expected_version":
			return 0, outbox.ErrVersion
		case "eventfeed_id":
			return 0, outbox.ErrConflict
		}
	}
	if err != nil {
		return 0, err
	}
	err = t.tx.QueryRow(ctx, count, feed).Scan(&after)
	return after - before, err
}

type sqliteService struct{ db *sql.DB }

func (s sqliteService) entities() entity.DB { return entity.SQL(s.db) }

func (s sqliteService) begin(ctx context.Context) (serviceTx, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	return sqliteTx{tx}, err
}

func (sqliteService) load(context.Context, string, string, string, int) (int64, []string, error) {
	return 0, nil, errors.ErrUnsupported
}

func (sqliteService) save(context.Context, string, string, string, int64, string) (bool, error) {
	return false, errors.ErrUnsupported
}

type sqliteTx struct{ tx *sql.Tx }

func (t sqliteTx) exec(ctx context.Context, statement string) error {
	switch statement {
	case "COMMIT":
		return t.tx.Commit()
	case "ROLLBACK":
		return t.tx.Rollback()
	}
	_, err := t.tx.ExecContext(ctx, statement)
	return err
}

func (t sqliteTx) append(ctx context.Context, feed string, events []event.Event, expected outbox.Versions) (int, error) {
	result, err := outbox.AppendSQLExpecting(ctx, t.tx, feed, expected, events...)
	return result.New, err
}
