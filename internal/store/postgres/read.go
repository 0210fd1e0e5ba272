package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// feedColumns are the columns of a feed's row; the last positions of the newest archive and of the
// first page that is full but not sealed; the time and the digest of the last event that documents
// show; and the epochs.
const feedColumns = `
	f.feed, f.id, f.name, f.title, f.author, f.page_size, f.page_bytes, f.created, f.modified, f.identity, ` + moved + `, f.held,
	(SELECT n.entities FROM eventfeed.entity_feeds n WHERE n.feed = f.feed),
	f.position, f.digest, f.open_page, f.open_first, f.open_bytes, f.archives,
	coalesce((SELECT p.last_position FROM eventfeed.pages p WHERE p.feed = f.feed AND p.page = f.archives), 0),
	coalesce((SELECT p.last_position FROM eventfeed.pages p WHERE p.feed = f.feed AND p.page = f.archives + 1), f.position),
	coalesce((SELECT p.recorded FROM eventfeed.positions p WHERE p.feed = f.feed AND p.position =
		coalesce((SELECT g.last_position FROM eventfeed.pages g WHERE g.feed = f.feed AND g.page = f.archives + 1), f.position)), f.created),
	coalesce((SELECT p.digest FROM eventfeed.positions p WHERE p.feed = f.feed AND p.position =
		(SELECT g.last_position FROM eventfeed.pages g WHERE g.feed = f.feed AND g.page = f.archives + 1)), f.digest),
	(SELECT json_agg(json_build_object('id', e.epoch, 'position', e.first_position, 'page', e.first_page,
	                                   'digest', encode(e.digest_before, 'hex')) ORDER BY e.ordinal)
	 FROM eventfeed.epochs e WHERE e.feed = f.feed)`

// queries has the reads of a snapshot.
type queries struct{ db querier }

type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

// Read calls read in one transaction, whose statements all see the same snapshot.
func (l *Log) Read(ctx context.Context, read func(store.Snapshot) error) error {
	return pgx.BeginTxFunc(ctx, l.pool, postgresdb.Snapshot, func(tx pgx.Tx) error { return read(queries{tx}) })
}

func scanFeed(row pgx.Row) (f store.Feed, err error) {
	var digest, shown, epochs []byte
	err = row.Scan(&f.Key, &f.ID, &f.Name, &f.Title, &f.Author, &f.PageSize, &f.PageBytes, &f.Created, &f.Modified, &f.Identity, &f.Moved, &f.Held, &f.Entities,
		&f.Position, &digest, &f.Open.Number, &f.Open.First, &f.Open.Bytes, &f.Archives,
		&f.ArchivedTo, &f.Published, &f.Updated, &shown, &epochs)
	if err != nil {
		return f, err
	}
	f.Digest, f.Shown = feed.Digest(digest), feed.Digest(shown)
	f.Epochs, err = store.ParseEpochs(epochs)
	return f, err
}

// Feed reads a feed by its name.
func (q queries) Feed(ctx context.Context, name string) (store.Feed, error) {
	f, err := scanFeed(q.db.QueryRow(ctx, "SELECT "+feedColumns+" FROM eventfeed.feeds f WHERE f.name = $1", name))
	if err != nil {
		return f, fmt.Errorf("feed %s: %w", name, noRows(err, store.ErrNoFeed))
	}
	return f, nil
}

// Feeds reads all feeds.
func (l *Log) Feeds(ctx context.Context) ([]store.Feed, error) {
	rows, err := l.db.Query(ctx, "SELECT "+feedColumns+" FROM eventfeed.feeds f ORDER BY f.name")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Feed, error) { return scanFeed(row) })
}

// Pending counts events without a position.
func (l *Log) Pending(ctx context.Context, key int64) (n int64, err error) {
	err = l.db.QueryRow(ctx, "SELECT count(*) FROM eventfeed.pending WHERE feed = $1", key).Scan(&n)
	return n, err
}

// Unplaced counts events without a position that are not pending, so that the sequencer would never
// find them.
func (l *Log) Unplaced(ctx context.Context, key int64) (n int64, err error) {
	err = l.db.QueryRow(ctx, `
		SELECT count(*) FROM eventfeed.events e WHERE e.feed = $1
		AND NOT EXISTS (SELECT FROM eventfeed.positions p WHERE p.insert_no = e.insert_no)
		AND NOT EXISTS (SELECT FROM eventfeed.pending q WHERE q.feed = e.feed AND q.insert_no = e.insert_no)`, key).Scan(&n)
	return n, err
}

// Work finds the feeds to sequence and to seal, without a lock. It skips from feed to feed in the
// index of pending, so a long queue costs no more than a short one, and it reads only the rows of
// feeds with work.
//
// It returns ErrReadOnly for a read-only database, even if there is no work: a fenced primary never
// has work again, and the new primary has it.
func (l *Log) Work(ctx context.Context) (pending, unsealed []string, err error) {
	var fenced bool
	err = l.db.QueryRow(ctx, `
		WITH RECURSIVE busy (feed) AS (
			(SELECT p.feed FROM eventfeed.pending p ORDER BY p.feed LIMIT 1)
			UNION ALL
			SELECT (SELECT p.feed FROM eventfeed.pending p WHERE p.feed > b.feed ORDER BY p.feed LIMIT 1) FROM busy b WHERE b.feed IS NOT NULL)
		SELECT ARRAY(SELECT f.name FROM eventfeed.feeds f WHERE f.feed IN (SELECT b.feed FROM busy b) AND NOT f.held
		             UNION SELECT f.name FROM eventfeed.feeds f WHERE (i.now <> i.lowest OR i.now <> i.highest) AND f.identity <> i.now),
		       ARRAY(SELECT f.name FROM eventfeed.feeds f WHERE f.open_page - 1 > f.archives),
		       current_setting('transaction_read_only')::bool
		FROM (SELECT `+identity+` AS now, (SELECT min(f.identity) FROM eventfeed.feeds f) AS lowest,
		             (SELECT max(f.identity) FROM eventfeed.feeds f) AS highest) i`).Scan(&pending, &unsealed, &fenced)
	if err == nil && fenced {
		err = fmt.Errorf("%w (default_transaction_read_only is on)", store.ErrReadOnly)
	}
	return pending, unsealed, l.writing(err)
}

const eventColumns = `e.id, e.source, e.type, coalesce(e.subject, ''), e.time, coalesce(e.datacontenttype, ''), coalesce(e.dataschema, ''), e.extensions, e.data`

// eventScan is the target of a scan of the event columns.
type eventScan struct {
	event.Event
	extensions []byte
}

func (s *eventScan) targets(more ...any) []any {
	return append(more, &s.ID, &s.Source, &s.Type, &s.Subject, &s.Time, &s.DataContentType, &s.DataSchema, &s.extensions, &s.Data)
}

// finish brings the scanned event into normal form.
func (s *eventScan) finish() error {
	s.Time = s.Time.UTC()
	s.Extensions = nil
	if len(s.Data) == 0 {
		s.Data = nil
	}
	if s.extensions == nil {
		return nil
	}
	return json.Unmarshal(s.extensions, &s.Extensions)
}

// Rows reads events with their positions, in order.
func (q queries) Rows(ctx context.Context, key, first, last int64, yield func(*store.Row) error) error {
	rows, err := q.db.Query(ctx, `
		SELECT p.position, p.recorded, p.digest, `+eventColumns+`
		FROM eventfeed.positions p JOIN eventfeed.events e ON e.insert_no = p.insert_no
		WHERE p.feed = $1 AND p.position BETWEEN $2 AND $3 ORDER BY p.position`, key, first, last)
	if err != nil {
		return err
	}
	var s eventScan
	var position int64
	var recorded time.Time
	var digest []byte
	_, err = pgx.ForEachRow(rows, s.targets(&position, &recorded, &digest), func() error {
		if err := s.finish(); err != nil {
			return err
		}
		return yield(&store.Row{Placed: event.Placed{Event: s.Event, Position: position, Recorded: recorded.UTC()}, Digest: feed.Digest(digest)})
	})
	return err
}

// Pages reads closed pages, in order.
func (l *Log) Pages(ctx context.Context, key, first, last int64) ([]store.Page, error) {
	rows, err := l.db.Query(ctx, `
		SELECT page, first_position, last_position FROM eventfeed.pages
		WHERE feed = $1 AND page BETWEEN $2 AND $3 ORDER BY page`, key, first, last)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[store.Page])
}

// Document reads a stored archive: the final stage if there is one.
func (q queries) Document(ctx context.Context, key int64, page feed.Page) (store.Document, error) {
	d := store.Document{Page: page}
	err := q.db.QueryRow(ctx, `
		SELECT stage, body FROM eventfeed.documents
		WHERE feed = $1 AND epoch = $2 AND page = $3 ORDER BY stage LIMIT 1`, // final comes before newest
		key, page.Epoch, page.Number).Scan(&d.Stage, &d.Body)
	if err != nil {
		return d, fmt.Errorf("page %d of epoch %s: %w", page.Number, page.Epoch, noRows(err, store.ErrNoPage))
	}
	return d, nil
}
