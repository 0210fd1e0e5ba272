package checkpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// SQLiteMemory is what a consumer knows of a feed that is not eventfeed's own,
// in the tables eventfeed_archives and eventfeed_entries. An entry must stand
// once in what is given to a method. Where DB has one connection its methods
// wait for the transaction that is open.
type SQLiteMemory struct {
	DB       *sql.DB
	Consumer string
	FeedID   string
}

// Counts tells how much there is.
func (m *SQLiteMemory) Counts(ctx context.Context) (c Counts, err error) {
	err = m.DB.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE applied), count(*) FILTER (WHERE NOT applied),
		       (SELECT count(*) FROM eventfeed_entries WHERE consumer = ?1 AND feed_id = ?2 AND applied IS NOT latest)
		FROM eventfeed_archives WHERE consumer = ?1 AND feed_id = ?2`, m.Consumer, m.FeedID).Scan(&c.Applied, &c.Open, &c.Pending)
	return c, err
}

const selectArchiveSQLite = `
	SELECT number, url, prev, hash, applied, EXISTS (
		SELECT 1 FROM eventfeed_archives n WHERE n.consumer = a.consumer AND n.feed_id = a.feed_id AND n.prev = a.url AND n.applied)
	FROM eventfeed_archives a WHERE consumer = ?1 AND feed_id = ?2 AND `

// Archive returns the archive at a URL; nil if it is not known.
func (m *SQLiteMemory) Archive(ctx context.Context, url string) (*Archive, error) {
	return m.archive(ctx, selectArchiveSQLite+"url = ?3", url)
}

// After returns the archive that names the one at a URL as the one before it;
// with an empty URL the oldest archive. It is nil if none is known.
func (m *SQLiteMemory) After(ctx context.Context, url string) (*Archive, error) {
	return m.archive(ctx, selectArchiveSQLite+"prev = ?3", url)
}

func (m *SQLiteMemory) archive(ctx context.Context, query, url string) (*Archive, error) {
	var a Archive
	var hash []byte
	err := m.DB.QueryRowContext(ctx, query, m.Consumer, m.FeedID, url).Scan(&a.Number, &a.URL, &a.Prev, &hash, &a.Applied, &a.Followed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.Hash = feed.Digest(hash)
	return &a, nil
}

// Record writes down an archive, to which it gives a number, and the versions
// of its entries, in one transaction.
func (m *SQLiteMemory) Record(ctx context.Context, a *Archive, entries []Version) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO eventfeed_archives (consumer, feed_id, number, url, prev, hash)
			SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3, ?4, ?5 FROM eventfeed_archives WHERE consumer = ?1 AND feed_id = ?2
			RETURNING number`, m.Consumer, m.FeedID, a.URL, a.Prev, a.Hash[:]).Scan(&a.Number)
		if err != nil {
			return err
		}
		// Of two archives with the same version the one recorded last, so the older, has it.
		return each(ctx, tx, `
			INSERT INTO eventfeed_entries AS e (consumer, feed_id, entry, latest, archive) VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = excluded.latest, archive = excluded.archive
			WHERE e.latest <= excluded.latest`,
			len(entries), func(i int) []any {
				return []any{m.Consumer, m.FeedID, entries[i].Entry, entries[i].Updated, a.Number}
			})
	})
}

// Pending returns the entries, with their versions, that are to be applied
// from the archive with a number.
func (m *SQLiteMemory) Pending(ctx context.Context, number int64) (map[string]int64, error) {
	rows, err := m.DB.QueryContext(ctx, `
		SELECT entry, latest FROM eventfeed_entries
		WHERE consumer = ?1 AND feed_id = ?2 AND archive = ?3 AND applied IS NOT latest`, m.Consumer, m.FeedID, number)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	pending := make(map[string]int64)
	for rows.Next() {
		var entry string
		var version int64
		if err := rows.Scan(&entry, &version); err != nil {
			return nil, err
		}
		pending[entry] = version
	}
	return pending, rows.Err()
}

// Known returns what is known of entries.
func (m *SQLiteMemory) Known(ctx context.Context, entries []string) (map[string]Known, error) {
	list, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	rows, err := m.DB.QueryContext(ctx, `
		SELECT entry, latest, applied IS NOT latest FROM eventfeed_entries
		WHERE consumer = ?1 AND feed_id = ?2 AND entry IN (SELECT value FROM json_each(?3))`, m.Consumer, m.FeedID, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	known := make(map[string]Known, len(entries))
	for rows.Next() {
		var entry string
		var k Known
		if err := rows.Scan(&entry, &k.Latest, &k.Pending); err != nil {
			return nil, err
		}
		known[entry] = k
	}
	return known, rows.Err()
}

// Forget forgets all that was recorded and is not applied.
func (m *SQLiteMemory) Forget(ctx context.Context) error {
	return m.write(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			"DELETE FROM eventfeed_archives WHERE consumer = ? AND feed_id = ? AND NOT applied",
			"DELETE FROM eventfeed_entries WHERE consumer = ? AND feed_id = ? AND applied IS NULL",
			"UPDATE eventfeed_entries SET latest = applied, archive = 0 WHERE consumer = ? AND feed_id = ? AND applied IS NOT latest",
		} {
			if _, err := tx.ExecContext(ctx, statement, m.Consumer, m.FeedID); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *SQLiteMemory) write(ctx context.Context, do func(*sql.Tx) error) error {
	return (&SQLite{db: m.DB}).write(ctx, do)
}

// MarkSQLite writes down what the transaction applies of a feed that is not
// eventfeed's own.
func MarkSQLite(ctx context.Context, tx *sql.Tx, consumer, feedID string, marks Marks) error {
	err := each(ctx, tx, `
		INSERT INTO eventfeed_entries AS e (consumer, feed_id, entry, latest, applied, archive) VALUES (?1, ?2, ?3, ?4, ?4, 0)
		ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = max(e.latest, excluded.latest), applied = excluded.applied`,
		len(marks.Entries), func(i int) []any {
			return []any{consumer, feedID, marks.Entries[i].Entry, marks.Entries[i].Updated}
		})
	if err != nil {
		return err
	}
	return each(ctx, tx, `UPDATE eventfeed_archives SET applied = 1 WHERE consumer = ? AND feed_id = ? AND url = ?`,
		len(marks.Archives), func(i int) []any { return []any{consumer, feedID, marks.Archives[i]} })
}

// unmarkSQLite forgets all that a consumer knows of a feed.
func unmarkSQLite(ctx context.Context, tx *sql.Tx, consumer, feedID string) error {
	for _, table := range []string{"eventfeed_archives", "eventfeed_entries"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE consumer = ? AND feed_id = ?", consumer, feedID); err != nil {
			return err
		}
	}
	return nil
}

// each runs a statement n times.
func each(ctx context.Context, tx *sql.Tx, statement string, n int, arguments func(i int) []any) error {
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
