package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

// selectParked also works with the settings of users' SQL.
const selectParked = `SELECT consumer, feed_id, feed, position, recorded, live, event, error, attempts, parked FROM eventfeed_seed.parked
	WHERE ($1 OPERATOR(pg_catalog.=) '' OR consumer OPERATOR(pg_catalog.=) $1)
	  AND ($2 OPERATOR(pg_catalog.=) '' OR feed OPERATOR(pg_catalog.=) $2 OR feed_id OPERATOR(pg_catalog.=) $2)
	  AND ($3 OPERATOR(pg_catalog.=) '' OR subject OPERATOR(pg_catalog.=) $3) `

func scanParked(row pgx.CollectableRow) (p checkpoint.Parked, size int, err error) {
	var text []byte
	var recorded *time.Time
	err = row.Scan(&p.Consumer, &p.FeedID, &p.Feed, &p.Position, &recorded, &p.Live, &text, &p.Error, &p.Attempts, &p.Since)
	if recorded != nil {
		p.Recorded = recorded.UTC()
	}
	if err == nil {
		err = p.Restore(text)
	}
	return p, len(text), err
}

// Entities returns the entities of a consumer's parked events.
func (s *Session) Entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error) {
	entities := make(map[checkpoint.Entity]bool)
	err := s.Do(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT DISTINCT feed_id, subject FROM eventfeed_seed.parked WHERE consumer = $1 AND subject <> ''", consumer)
		if err != nil {
			return err
		}
		var e checkpoint.Entity
		_, err = pgx.ForEachRow(rows, []any{&e.FeedID, &e.Subject}, func() error {
			entities[e] = true
			return nil
		})
		return err
	})
	return entities, err
}

// Park parks events.
func (t transaction) Park(ctx context.Context, events []checkpoint.Parked) error {
	if len(events) == 0 {
		return nil
	}
	columns := []string{"consumer", "feed_id", "position", "feed", "id", "type", "subject", "recorded", "live", "event", "error", "attempts"}
	_, err := t.CopyFrom(ctx, pgx.Identifier{"eventfeed_seed", "parked"}, columns, pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
		e := &events[i]
		var recorded *time.Time
		if !e.Recorded.IsZero() {
			recorded = &e.Recorded
		}
		return []any{e.Consumer, e.FeedID, e.Position, e.Feed, e.ID, e.Type, e.Subject, recorded, e.Live, e.Stored(), e.ErrorText(), e.Attempts}, nil
	}))
	if i := postgresdb.CopyRow(err); i >= 0 && i < len(events) {
		e := &events[i]
		return fmt.Errorf("park feed %s, position %d (event %s): %w", e.Feed, e.Position, e.ID, err)
	}
	return err
}

// NextParked returns the next of one consumer's parked events after a place; none at the end.
func (t transaction) NextParked(ctx context.Context, of checkpoint.ParkedFilter, after checkpoint.ParkedPlace) ([]checkpoint.Parked, error) {
	rows, err := t.Query(ctx, selectParked+`AND (feed_id, position) OPERATOR(pg_catalog.>) ($4, $5) ORDER BY feed_id, position LIMIT $6`,
		of.Consumer, of.Feed, of.Subject, after.FeedID, after.Position, checkpoint.ParkedPageEvents)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page checkpoint.ParkedPage
	for rows.Next() {
		parked, size, err := scanParked(rows)
		if err != nil || !page.Add(parked, size) {
			return page.Events, err
		}
	}
	return page.Events, rows.Err()
}

// parkedPlace finds a parked event. It also works with the settings of users' SQL.
const parkedPlace = "consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2 AND position OPERATOR(pg_catalog.=) $3"

// Unpark deletes a parked event that was applied.
func (t transaction) Unpark(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.Exec(ctx, "DELETE FROM eventfeed_seed.parked WHERE "+parkedPlace,
		e.Consumer, e.FeedID, e.Position)
	return err
}

// KeepParked stores another failed attempt to apply an event.
func (t transaction) KeepParked(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.Exec(ctx, "UPDATE eventfeed_seed.parked SET error = $4, attempts = $5 WHERE "+parkedPlace,
		e.Consumer, e.FeedID, e.Position, e.ErrorText(), e.Attempts)
	return err
}

// ListParked calls yield with parked events until it returns false. Without the table there
// are none.
func (s *Session) ListParked(ctx context.Context, of checkpoint.ParkedFilter, yield func(checkpoint.Parked) bool) error {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, selectParked+"ORDER BY consumer, feed_id, position", of.Consumer, of.Feed, of.Subject)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		parked, _, err := scanParked(rows)
		if err != nil || !yield(parked) {
			return err
		}
	}
	return rows.Err()
}

// selectFailed reads the first events that failed, by an index that has no others.
const selectFailed = `SELECT feed_id, feed, position, id, type, subject, error, attempts, parked FROM eventfeed_seed.parked
	WHERE consumer = $1 AND error <> '' ORDER BY feed_id, position LIMIT $2`

// FailedParked returns the first of a consumer's parked events that have failed, up to a number,
// in the order of feed ids and positions. It leaves out events that only wait for an earlier one,
// and of each event its source, time, extensions and data. Without the table there are none.
func (s *Session) FailedParked(ctx context.Context, consumer string, most int) ([]checkpoint.Parked, error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return nil, err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, selectFailed, consumer, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p checkpoint.Parked, err error) {
		p.Consumer = consumer
		err = row.Scan(&p.FeedID, &p.Feed, &p.Position, &p.ID, &p.Type, &p.Subject, &p.Error, &p.Attempts, &p.Since)
		return p, err
	})
}

// countFailed counts the first events that failed by their errors, the most frequent ones first, and reads
// the first event of each. What PostgreSQL says after the SQLSTATE, such as the row that failed, is another
// one for each event.
const countFailed = `
	SELECT f.cause, f.events, f.of, f.entities, f.causes, p.feed_id, p.feed, p.position, p.id, p.type, p.subject, p.error,
	       CASE WHEN octet_length(p.event) <= $4 THEN p.event END
	FROM (SELECT cause, count(*) AS events, (sum(count(*)) OVER ())::bigint AS of, (sum(count(*) FILTER (WHERE subject <> '')) OVER ())::bigint AS entities,
	             count(*) OVER () AS causes, (array_agg(feed_id ORDER BY feed_id, position))[1] AS feed_id, (array_agg(position ORDER BY feed_id, position))[1] AS position
	      FROM (SELECT regexp_replace(error, '([(]SQLSTATE [0-9A-Z]{5}[)]); .*', '\1') AS cause, subject, feed_id, position
	            FROM eventfeed_seed.parked WHERE consumer = $1 AND error <> '' ORDER BY feed_id, position LIMIT $2) AS failed
	      GROUP BY cause ORDER BY events DESC, cause LIMIT $3) AS f
	JOIN eventfeed_seed.parked p ON p.consumer = $1 AND p.feed_id = f.feed_id AND p.position = f.position
	ORDER BY f.events DESC, f.cause`

// Failures counts the first of a consumer's parked events that have failed, and their most
// frequent errors. Without the table there are none.
func (s *Session) Failures(ctx context.Context, consumer string) (f checkpoint.Failures, err error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return f, err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, countFailed, consumer, checkpoint.MaxFailures+1, checkpoint.FrequentFailures, checkpoint.MaxExample)
	if err != nil {
		return f, err
	}
	f.Frequent, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one checkpoint.Failure, err error) {
		var text []byte
		e := &one.Example
		err = row.Scan(&one.Error, &one.Events, &f.Events, &f.Entities, &f.Errors, &e.FeedID, &e.Feed, &e.Position, &e.ID, &e.Type, &e.Subject, &e.Error, &text)
		if err == nil {
			err = one.RestoreExample(text)
		}
		return one, err
	})
	return f, err
}

// ParkedCounts counts the parked events of every consumer. Without the table there are none.
func (s *Session) ParkedCounts(ctx context.Context) ([]checkpoint.ParkedCount, error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return nil, err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, `
		SELECT consumer, feed_id, count(*), min(parked) FROM eventfeed_seed.parked
		GROUP BY consumer, feed_id ORDER BY consumer, feed_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c checkpoint.ParkedCount, err error) {
		err = row.Scan(&c.Consumer, &c.FeedID, &c.Events, &c.Since)
		return c, err
	})
}

// CountParked counts a consumer's parked events of a feed after a position. The consumer must be
// claimed, because it uses that connection: a run must not need a third one.
func (s *Session) CountParked(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
	err = s.Do(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM eventfeed_seed.parked WHERE consumer = $1 AND feed_id = $2 AND position > $3",
			consumer, feedID, after).Scan(&n)
	})
	return n, err
}

func (s *Session) hasParked(ctx context.Context) (there bool, err error) {
	err = postgresdb.NewReader(s.pool).QueryRow(ctx, "SELECT to_regclass('eventfeed_seed.parked') IS NOT NULL").Scan(&there)
	return there, err
}

// Savepoints returns a function that runs do in a savepoint, and rolls back to it if do returns
// an error. It checks deferred constraints at the end of the savepoint, because only there it is
// known which event violates them.
func (t transaction) Savepoints(ctx context.Context) (try func(do func() error) error, err error) {
	check, err := checkDeferred(ctx, t.Tx)
	if err != nil {
		return nil, err
	}
	return func(do func() error) error {
		if _, err := t.Exec(ctx, "SAVEPOINT eventfeed_event"); err != nil {
			return err
		}
		err := marked(do())
		if err == nil {
			if _, err = t.Exec(ctx, check+"RELEASE SAVEPOINT eventfeed_event"); err == nil {
				return nil
			}
			err = marked(err)
		}
		if _, undone := t.Exec(ctx, "ROLLBACK TO SAVEPOINT eventfeed_event; RELEASE SAVEPOINT eventfeed_event"); undone != nil {
			return fmt.Errorf("undo what failed (%s): %w", err.Error(), undone)
		}
		return err
	}, nil
}

// checkDeferred returns the statements that check the deferred constraints now, and defer them
// again; empty if no table has such constraints. They also work with the settings of users' SQL.
func checkDeferred(ctx context.Context, tx pgx.Tx) (statements string, err error) {
	var deferrable bool
	var deferred string
	err = tx.QueryRow(ctx, `
		SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0, coalesce(pg_catalog.string_agg(
			DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ') FILTER (WHERE c.condeferred), '')
		FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.connamespace
		WHERE c.condeferrable AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')`).Scan(&deferrable, &deferred)
	if err != nil || !deferrable {
		return "", err
	}
	statements = "SET CONSTRAINTS ALL IMMEDIATE; "
	if deferred != "" {
		statements += "SET CONSTRAINTS " + deferred + " DEFERRED; "
	}
	return statements, nil
}
