package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// memory is a Memory in the tables eventfeed_seed.archives and eventfeed_seed.entries. It uses
// connections of the pool, and in a dry run the transaction of the dry run.
type memory struct {
	session          *Session
	consumer, feedID string
}

// Memory returns what a consumer knows about a foreign feed.
func (s *Session) Memory(consumer, feedID string) checkpoint.Memory {
	return &memory{s, consumer, feedID}
}

func (m *memory) do(ctx context.Context, do func(pgx.Tx) error) error {
	return m.session.doBeside(ctx, do)
}

// write is do for writes that only the consumer's holder may make.
func (m *memory) write(ctx context.Context, do func(pgx.Tx) error) error {
	if checkpoint.IsClosed(m.session.Lost()) {
		return checkpoint.ErrLost
	}
	return m.do(ctx, func(tx pgx.Tx) error {
		if err := m.session.stillHolds(ctx, tx, m.consumer); err != nil {
			return err
		}
		return do(tx)
	})
}

// doBeside runs do in a transaction of its own, which may be at the same time as that of the
// session; in a dry run it uses the transaction of the dry run.
func (s *Session) doBeside(ctx context.Context, do func(pgx.Tx) error) error {
	if s.dryRun {
		return s.rehearse(ctx, do)
	}
	return postgresdb.Do(ctx, s.pool, do)
}

func (m *memory) Counts(ctx context.Context) (c checkpoint.Counts, err error) {
	err = m.do(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE applied), count(*) FILTER (WHERE NOT applied),
		       (SELECT count(*) FROM eventfeed_seed.entries WHERE consumer = $1 AND feed_id = $2 AND applied IS DISTINCT FROM latest),
		       (SELECT coalesce(min(latest), 0) FROM eventfeed_seed.entries WHERE consumer = $1 AND feed_id = $2 AND applied IS DISTINCT FROM latest)
		FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2`, m.consumer, m.feedID).Scan(&c.Applied, &c.Open, &c.Pending, &c.Earliest)
	})
	return c, err
}

const selectArchive = `
	SELECT number, url, prev, hash, applied, EXISTS (
		SELECT FROM eventfeed_seed.archives n WHERE n.consumer = a.consumer AND n.feed_id = a.feed_id AND n.prev = a.url AND n.applied)
	FROM eventfeed_seed.archives a WHERE consumer = $1 AND feed_id = $2 AND `

func (m *memory) Archive(ctx context.Context, url string) (*checkpoint.Archive, error) {
	return m.archive(ctx, selectArchive+"url = $3", url)
}

func (m *memory) After(ctx context.Context, url string) (*checkpoint.Archive, error) {
	return m.archive(ctx, selectArchive+"prev = $3", url)
}

func (m *memory) archive(ctx context.Context, query, url string) (*checkpoint.Archive, error) {
	var a checkpoint.Archive
	var hash []byte
	err := m.do(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, query, m.consumer, m.feedID, url).Scan(&a.Number, &a.URL, &a.Prev, &hash, &a.Applied, &a.Followed)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.Hash = feed.Digest(hash)
	return &a, nil
}

func (m *memory) Record(ctx context.Context, a *checkpoint.Archive, entries []checkpoint.Version) error {
	ids, versions, contents := checkpoint.Columns(entries)
	return m.write(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO eventfeed_seed.archives (consumer, feed_id, number, url, prev, hash)
			SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5::bytea FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2
			RETURNING number`, m.consumer, m.feedID, a.URL, a.Prev, a.Hash[:]).Scan(&a.Number)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO eventfeed_seed.entries AS e (consumer, feed_id, entry, latest, content, archive)
			SELECT $1, $2, entry, updated, content, $3 FROM unnest($4::text[], $5::bigint[], $6::bigint[]) AS new (entry, updated, content)
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = excluded.latest, content = excluded.content, archive = excluded.archive
			WHERE e.latest <= excluded.latest`, m.consumer, m.feedID, a.Number, ids, versions, contents)
		return err
	})
}

func (m *memory) Pending(ctx context.Context, number int64) (map[string]int64, error) {
	pending := make(map[string]int64)
	var entry string
	var version int64
	err := m.each(ctx, []any{&entry, &version}, func() { pending[entry] = version }, `
		SELECT entry, latest FROM eventfeed_seed.entries
		WHERE consumer = $1 AND feed_id = $2 AND archive = $3 AND applied IS DISTINCT FROM latest`, number)
	return pending, err
}

func (m *memory) Known(ctx context.Context, entries []string) (map[string]checkpoint.Known, error) {
	known := make(map[string]checkpoint.Known, len(entries))
	var entry string
	var k checkpoint.Known
	err := m.each(ctx, []any{&entry, &k.Latest, &k.Content, &k.Pending}, func() { known[entry] = k }, `
		SELECT entry, latest, content, applied IS DISTINCT FROM latest FROM eventfeed_seed.entries
		WHERE consumer = $1 AND feed_id = $2 AND entry = ANY ($3)`, entries)
	return known, err
}

// each scans each row of a query into variables, and calls take.
func (m *memory) each(ctx context.Context, into []any, take func(), query string, argument any) error {
	return m.do(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, m.consumer, m.feedID, argument)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, into, func() error {
			take()
			return nil
		})
		return err
	})
}

func (m *memory) Mark(ctx context.Context, marks checkpoint.Marks) error {
	return m.write(ctx, func(tx pgx.Tx) error { return mark(ctx, tx, m.consumer, m.feedID, marks) })
}

func (m *memory) Forget(ctx context.Context) error {
	return m.write(ctx, func(tx pgx.Tx) error {
		for _, statement := range []string{
			"DELETE FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2 AND NOT applied",
			"DELETE FROM eventfeed_seed.entries WHERE consumer = $1 AND feed_id = $2 AND applied IS NULL",
			"UPDATE eventfeed_seed.entries SET latest = applied, content = 0, archive = 0 WHERE consumer = $1 AND feed_id = $2 AND applied IS DISTINCT FROM latest",
		} {
			if _, err := tx.Exec(ctx, statement, m.consumer, m.feedID); err != nil {
				return err
			}
		}
		return nil
	})
}

// mark stores what the transaction applies of a foreign feed.
func mark(ctx context.Context, tx pgx.Tx, consumer, feedID string, marks checkpoint.Marks) error {
	if len(marks.Entries) > 0 {
		ids, versions, contents := checkpoint.Columns(marks.Entries)
		_, err := tx.Exec(ctx, `
			INSERT INTO eventfeed_seed.entries AS e (consumer, feed_id, entry, latest, applied, content, archive)
			SELECT DISTINCT ON (entry) $1, $2, entry, updated, updated, content, 0
			FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS new (entry, updated, content) ORDER BY entry, updated DESC
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET
				latest = greatest(e.latest, excluded.latest), applied = excluded.applied,
				content = CASE WHEN excluded.latest >= e.latest THEN excluded.content ELSE e.content END`,
			consumer, feedID, ids, versions, contents)
		if err != nil {
			return err
		}
	}
	if len(marks.Archives) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE eventfeed_seed.archives SET applied = true WHERE consumer = $1 AND feed_id = $2 AND url = ANY ($3)`,
		consumer, feedID, marks.Archives)
	return err
}

// unmark deletes all that a consumer knows about a foreign feed.
func unmark(ctx context.Context, tx pgx.Tx, consumer, feedID string) error {
	for _, table := range []string{"archives", "entries"} {
		if _, err := tx.Exec(ctx, "DELETE FROM eventfeed_seed."+table+" WHERE consumer = $1 AND feed_id = $2", consumer, feedID); err != nil {
			return err
		}
	}
	return nil
}
