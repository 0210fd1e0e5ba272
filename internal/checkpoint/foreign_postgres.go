package checkpoint

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// PostgresMemory is what a consumer knows of a feed that is not eventfeed's
// own, in the tables eventfeed_seed.archives and eventfeed_seed.entries. An
// entry must stand once in what is given to a method.
type PostgresMemory struct {
	Pool     *pgxpool.Pool
	Consumer string
	FeedID   string
}

// Counts tells how much there is.
func (m *PostgresMemory) Counts(ctx context.Context) (c Counts, err error) {
	err = m.Pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE applied), count(*) FILTER (WHERE NOT applied),
		       (SELECT count(*) FROM eventfeed_seed.entries WHERE consumer = $1 AND feed_id = $2 AND applied IS DISTINCT FROM latest)
		FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2`, m.Consumer, m.FeedID).Scan(&c.Applied, &c.Open, &c.Pending)
	return c, err
}

const selectArchive = `
	SELECT number, url, prev, hash, applied, EXISTS (
		SELECT FROM eventfeed_seed.archives n WHERE n.consumer = a.consumer AND n.feed_id = a.feed_id AND n.prev = a.url AND n.applied)
	FROM eventfeed_seed.archives a WHERE consumer = $1 AND feed_id = $2 AND `

// Archive returns the archive at a URL; nil if it is not known.
func (m *PostgresMemory) Archive(ctx context.Context, url string) (*Archive, error) {
	return m.archive(ctx, selectArchive+"url = $3", url)
}

// After returns the archive that names the one at a URL as the one before it;
// with an empty URL the oldest archive. It is nil if none is known.
func (m *PostgresMemory) After(ctx context.Context, url string) (*Archive, error) {
	return m.archive(ctx, selectArchive+"prev = $3", url)
}

func (m *PostgresMemory) archive(ctx context.Context, query, url string) (*Archive, error) {
	var a Archive
	var hash []byte
	err := m.Pool.QueryRow(ctx, query, m.Consumer, m.FeedID, url).Scan(&a.Number, &a.URL, &a.Prev, &hash, &a.Applied, &a.Followed)
	if errors.Is(err, pgx.ErrNoRows) {
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
func (m *PostgresMemory) Record(ctx context.Context, a *Archive, entries []Version) error {
	ids, versions := columns(entries)
	return pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO eventfeed_seed.archives (consumer, feed_id, number, url, prev, hash)
			SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5::bytea FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2
			RETURNING number`, m.Consumer, m.FeedID, a.URL, a.Prev, a.Hash[:]).Scan(&a.Number)
		if err != nil {
			return err
		}
		// Of two archives with the same version the one recorded last, so the older, has it.
		_, err = tx.Exec(ctx, `
			INSERT INTO eventfeed_seed.entries AS e (consumer, feed_id, entry, latest, archive)
			SELECT $1, $2, entry, updated, $3 FROM unnest($4::text[], $5::bigint[]) AS new (entry, updated)
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = excluded.latest, archive = excluded.archive
			WHERE e.latest <= excluded.latest`, m.Consumer, m.FeedID, a.Number, ids, versions)
		return err
	})
}

// Pending returns the entries, with their versions, that are to be applied
// from the archive with a number.
func (m *PostgresMemory) Pending(ctx context.Context, number int64) (map[string]int64, error) {
	rows, err := m.Pool.Query(ctx, `
		SELECT entry, latest FROM eventfeed_seed.entries
		WHERE consumer = $1 AND feed_id = $2 AND archive = $3 AND applied IS DISTINCT FROM latest`, m.Consumer, m.FeedID, number)
	if err != nil {
		return nil, err
	}
	pending := make(map[string]int64)
	var entry string
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&entry, &version}, func() error {
		pending[entry] = version
		return nil
	})
	return pending, err
}

// Known returns what is known of entries.
func (m *PostgresMemory) Known(ctx context.Context, entries []string) (map[string]Known, error) {
	rows, err := m.Pool.Query(ctx, `
		SELECT entry, latest, applied IS DISTINCT FROM latest FROM eventfeed_seed.entries
		WHERE consumer = $1 AND feed_id = $2 AND entry = ANY ($3)`, m.Consumer, m.FeedID, entries)
	if err != nil {
		return nil, err
	}
	known := make(map[string]Known, len(entries))
	var entry string
	var k Known
	_, err = pgx.ForEachRow(rows, []any{&entry, &k.Latest, &k.Pending}, func() error {
		known[entry] = k
		return nil
	})
	return known, err
}

// Forget forgets all that was recorded and is not applied.
func (m *PostgresMemory) Forget(ctx context.Context) error {
	return pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		for _, statement := range []string{
			"DELETE FROM eventfeed_seed.archives WHERE consumer = $1 AND feed_id = $2 AND NOT applied",
			"DELETE FROM eventfeed_seed.entries WHERE consumer = $1 AND feed_id = $2 AND applied IS NULL",
			"UPDATE eventfeed_seed.entries SET latest = applied, archive = 0 WHERE consumer = $1 AND feed_id = $2 AND applied IS DISTINCT FROM latest",
		} {
			if _, err := tx.Exec(ctx, statement, m.Consumer, m.FeedID); err != nil {
				return err
			}
		}
		return nil
	})
}

// MarkPostgres writes down what the transaction applies of a feed that is not
// eventfeed's own.
func MarkPostgres(ctx context.Context, tx pgx.Tx, consumer, feedID string, marks Marks) error {
	if len(marks.Entries) > 0 {
		ids, versions := columns(marks.Entries)
		_, err := tx.Exec(ctx, `
			INSERT INTO eventfeed_seed.entries AS e (consumer, feed_id, entry, latest, applied, archive)
			SELECT $1, $2, entry, max(updated), max(updated), 0 FROM unnest($3::text[], $4::bigint[]) AS new (entry, updated) GROUP BY entry
			ON CONFLICT (consumer, feed_id, entry) DO UPDATE SET latest = greatest(e.latest, excluded.latest), applied = excluded.applied`,
			consumer, feedID, ids, versions)
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

// unmarkPostgres forgets all that a consumer knows of a feed.
func unmarkPostgres(ctx context.Context, tx pgx.Tx, consumer, feedID string) error {
	for _, table := range []string{"archives", "entries"} {
		if _, err := tx.Exec(ctx, "DELETE FROM eventfeed_seed."+table+" WHERE consumer = $1 AND feed_id = $2", consumer, feedID); err != nil {
			return err
		}
	}
	return nil
}
