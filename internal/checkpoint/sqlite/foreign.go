package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// memory is a Memory in the tables eventfeed_archives and eventfeed_entries. There is one
// connection, so it waits for the session's transaction; in a dry run it uses the transaction of
// the dry run.
type memory struct {
	session          *Session
	consumer, feedID string
}

// Memory returns what a consumer knows about a foreign feed.
func (s *Session) Memory(consumer, feedID string) checkpoint.Memory {
	return &memory{s, consumer, feedID}
}

func (m *memory) use(ctx context.Context, do func(sqlitedb.Querier) error) error {
	return m.session.use(ctx, do)
}

// write is for writes that only the consumer's holder may make.
func (m *memory) write(ctx context.Context, do func(*sql.Tx) error) error {
	return m.session.write(ctx, func(tx *sql.Tx) error {
		if err := m.session.stillHolds(ctx, tx, m.consumer); err != nil {
			return err
		}
		return do(tx)
	})
}

// use calls do with the database, or with the transaction of a dry run.
func (s *Session) use(ctx context.Context, do func(sqlitedb.Querier) error) error {
	if s.db == nil {
		return checkpoint.ErrLost
	}
	if !s.dryRun {
		return do(s.db)
	}
	return s.rehearse(ctx, func(tx *sql.Tx) error { return do(tx) })
}

func (m *memory) Counts(ctx context.Context) (c checkpoint.Counts, err error) {
	err = m.use(ctx, func(db sqlitedb.Querier) error {
		return db.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE applied), count(*) FILTER (WHERE NOT applied),
		       (SELECT count(*) FROM eventfeed_entries WHERE consumer = ?1 AND feed_id = ?2 AND applied IS NOT latest),
		       (SELECT coalesce(min(latest), 0) FROM eventfeed_entries WHERE consumer = ?1 AND feed_id = ?2 AND applied IS NOT latest)
		FROM eventfeed_archives WHERE consumer = ?1 AND feed_id = ?2`, m.consumer, m.feedID).Scan(&c.Applied, &c.Open, &c.Pending, &c.Earliest)
	})
	return c, err
}

const selectArchiveSQLite = `
	SELECT number, url, prev, hash, applied, EXISTS (
		SELECT 1 FROM eventfeed_archives n WHERE n.consumer = a.consumer AND n.feed_id = a.feed_id AND n.prev = a.url AND n.applied)
	FROM eventfeed_archives a WHERE consumer = ?1 AND feed_id = ?2 AND `

func (m *memory) Archive(ctx context.Context, url string) (*checkpoint.Archive, error) {
	return m.archive(ctx, selectArchiveSQLite+"url = ?3", url)
}

func (m *memory) After(ctx context.Context, url string) (*checkpoint.Archive, error) {
	return m.archive(ctx, selectArchiveSQLite+"prev = ?3", url)
}

func (m *memory) archive(ctx context.Context, query, url string) (*checkpoint.Archive, error) {
	var a checkpoint.Archive
	var hash []byte
	err := m.use(ctx, func(db sqlitedb.Querier) error {
		return db.QueryRowContext(ctx, query, m.consumer, m.feedID, url).Scan(&a.Number, &a.URL, &a.Prev, &hash, &a.Applied, &a.Followed)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.Hash = feed.Digest(hash)
	return &a, nil
}

func (m *memory) Record(ctx context.Context, a *checkpoint.Archive, entries []checkpoint.Version) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO eventfeed_archives (consumer, feed_id, number, url, prev, hash)
			SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3, ?4, ?5 FROM eventfeed_archives WHERE consumer = ?1 AND feed_id = ?2
			RETURNING number`, m.consumer, m.feedID, a.URL, a.Prev, a.Hash[:]).Scan(&a.Number)
		if err != nil {
			return err
		}
		return repeat(ctx, tx, `
			INSERT INTO eventfeed_entries AS e (consumer, feed_id, entry, latest, content, archive) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = excluded.latest, content = excluded.content, archive = excluded.archive
			WHERE e.latest <= excluded.latest`,
			len(entries), func(i int) []any {
				return []any{m.consumer, m.feedID, entries[i].Entry, entries[i].Updated, entries[i].Content, a.Number}
			})
	})
}

func (m *memory) Pending(ctx context.Context, number int64) (map[string]int64, error) {
	pending := make(map[string]int64)
	var entry string
	var version int64
	err := m.each(ctx, []any{&entry, &version}, func() { pending[entry] = version }, `
		SELECT entry, latest FROM eventfeed_entries
		WHERE consumer = ?1 AND feed_id = ?2 AND archive = ?3 AND applied IS NOT latest`, number)
	return pending, err
}

func (m *memory) Known(ctx context.Context, entries []string) (map[string]checkpoint.Known, error) {
	list, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	known := make(map[string]checkpoint.Known, len(entries))
	var entry string
	var k checkpoint.Known
	err = m.each(ctx, []any{&entry, &k.Latest, &k.Content, &k.Pending}, func() { known[entry] = k }, `
		SELECT entry, latest, content, applied IS NOT latest FROM eventfeed_entries
		WHERE consumer = ?1 AND feed_id = ?2 AND entry IN (SELECT value FROM json_each(?3))`, string(list))
	return known, err
}

// each scans each row of a query into variables, and calls take.
func (m *memory) each(ctx context.Context, into []any, take func(), query string, argument any) error {
	scan := func(row sqlitedb.Row) ([]any, error) { return into, row.Scan(into...) }
	return m.use(ctx, func(db sqlitedb.Querier) error {
		for _, err := range sqlitedb.Rows(ctx, db, scan, query, m.consumer, m.feedID, argument) {
			if err != nil {
				return err
			}
			take()
		}
		return nil
	})
}

func (m *memory) Mark(ctx context.Context, marks checkpoint.Marks) error {
	return m.write(ctx, func(tx *sql.Tx) error { return mark(ctx, tx, m.consumer, m.feedID, marks) })
}

func (m *memory) Forget(ctx context.Context) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			"DELETE FROM eventfeed_archives WHERE consumer = ? AND feed_id = ? AND NOT applied",
			"DELETE FROM eventfeed_entries WHERE consumer = ? AND feed_id = ? AND applied IS NULL",
			"UPDATE eventfeed_entries SET latest = applied, content = 0, archive = 0 WHERE consumer = ? AND feed_id = ? AND applied IS NOT latest",
		} {
			if _, err := tx.ExecContext(ctx, statement, m.consumer, m.feedID); err != nil {
				return err
			}
		}
		return nil
	})
}

// mark stores what the transaction applies of a foreign feed.
func mark(ctx context.Context, tx *sql.Tx, consumer, feedID string, marks checkpoint.Marks) error {
	err := repeat(ctx, tx, `
		INSERT INTO eventfeed_entries AS e (consumer, feed_id, entry, latest, applied, content, archive) VALUES (?1, ?2, ?3, ?4, ?4, ?5, 0)
		ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = max(e.latest, excluded.latest), applied = excluded.applied,
			content = CASE WHEN excluded.latest >= e.latest THEN excluded.content ELSE e.content END`,
		len(marks.Entries), func(i int) []any {
			return []any{consumer, feedID, marks.Entries[i].Entry, marks.Entries[i].Updated, marks.Entries[i].Content}
		})
	if err != nil {
		return err
	}
	return repeat(ctx, tx, `UPDATE eventfeed_archives SET applied = 1 WHERE consumer = ? AND feed_id = ? AND url = ?`,
		len(marks.Archives), func(i int) []any { return []any{consumer, feedID, marks.Archives[i]} })
}

// unmark deletes all that a consumer knows about a foreign feed.
func unmark(ctx context.Context, tx *sql.Tx, consumer, feedID string) error {
	for _, table := range []string{"eventfeed_archives", "eventfeed_entries"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE consumer = ? AND feed_id = ?", consumer, feedID); err != nil {
			return err
		}
	}
	return nil
}

// repeat runs a statement n times.
func repeat(ctx context.Context, tx *sql.Tx, statement string, n int, arguments func(i int) []any) error {
	if n == 0 {
		return nil
	}
	prepared, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer func() { _ = prepared.Close() }()
	for i := range n {
		if _, err := prepared.ExecContext(ctx, arguments(i)...); err != nil {
			return err
		}
	}
	return nil
}
