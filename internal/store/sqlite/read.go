package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// feedColumns are the columns of a feed's row; the last positions of the newest archive and of the
// first page that is full but not sealed; the time and the digest of the last event that documents
// show; and the epochs.
const feedColumns = `
	f.feed, f.id, f.name, f.title, f.author, f.page_size, f.page_bytes, f.created, f.modified, f.identity, f.held,
	(SELECT n.entities FROM eventfeed_entity_feeds n WHERE n.feed = f.feed),
	f.position, f.digest, f.open_page, f.open_first, f.open_bytes, f.archives,
	coalesce((SELECT p.last_position FROM eventfeed_pages p WHERE p.feed = f.feed AND p.page = f.archives), 0),
	coalesce((SELECT p.last_position FROM eventfeed_pages p WHERE p.feed = f.feed AND p.page = f.archives + 1), f.position),
	coalesce((SELECT p.recorded FROM eventfeed_positions p WHERE p.feed = f.feed AND p.position =
		coalesce((SELECT g.last_position FROM eventfeed_pages g WHERE g.feed = f.feed AND g.page = f.archives + 1), f.position)), f.created) AS updated,
	coalesce((SELECT p.digest FROM eventfeed_positions p WHERE p.feed = f.feed AND p.position =
		(SELECT g.last_position FROM eventfeed_pages g WHERE g.feed = f.feed AND g.page = f.archives + 1)), f.digest),
	(SELECT json_group_array(json_object('id', e.epoch, 'position', e.first_position, 'page', e.first_page,
	                                     'digest', lower(hex(e.digest_before))))
	 FROM (SELECT * FROM eventfeed_epochs WHERE feed = f.feed ORDER BY ordinal) e)`

func scanFeed(row sqlitedb.Row) (f store.Feed, err error) {
	var digest, shown, epochs []byte
	err = row.Scan(&f.Key, &f.ID, &f.Name, &f.Title, &f.Author, &f.PageSize, &f.PageBytes, sqlitedb.Time(&f.Created), sqlitedb.Time(&f.Modified), &f.Identity, &f.Held, &f.Entities,
		&f.Position, &digest, &f.Open.Number, &f.Open.First, &f.Open.Bytes, &f.Archives,
		&f.ArchivedTo, &f.Published, sqlitedb.Time(&f.Updated), &shown, &epochs)
	if err != nil {
		return f, err
	}
	f.Digest, f.Shown = feed.Digest(digest), feed.Digest(shown)
	f.Epochs, err = store.ParseEpochs(epochs)
	return f, err
}

// Feed reads a feed by its name.
func (q queries) Feed(ctx context.Context, name string) (store.Feed, error) {
	f, err := scanFeed(q.db.QueryRowContext(ctx, "SELECT "+feedColumns+" FROM eventfeed_feeds f WHERE f.name = ?", name))
	if err != nil {
		return f, fmt.Errorf("feed %s: %w", name, noRows(err, store.ErrNoFeed))
	}
	return f, nil
}

// Feeds reads all feeds.
func (l *Log) Feeds(ctx context.Context) ([]store.Feed, error) {
	return sqlitedb.CollectRows(ctx, l.reader, scanFeed, "SELECT "+feedColumns+" FROM eventfeed_feeds f ORDER BY f.name")
}

// Pending counts events without a position.
func (l *Log) Pending(ctx context.Context, key int64) (n int64, err error) {
	err = l.reader.QueryRowContext(ctx, "SELECT count(*) FROM eventfeed_pending WHERE feed = ?", key).Scan(&n)
	return n, err
}

// Unplaced counts events without a position that are not pending, so that the sequencer would never
// find them.
func (l *Log) Unplaced(ctx context.Context, key int64) (n int64, err error) {
	err = l.reader.QueryRowContext(ctx, `
		SELECT count(*) FROM eventfeed_events e WHERE e.feed = ?
		AND NOT EXISTS (SELECT 1 FROM eventfeed_positions p WHERE p.insert_no = e.insert_no)
		AND NOT EXISTS (SELECT 1 FROM eventfeed_pending q WHERE q.feed = e.feed AND q.insert_no = e.insert_no)`, key).Scan(&n)
	return n, err
}

// Work finds the feeds to sequence and to seal.
func (l *Log) Work(ctx context.Context) (pending, unsealed []string, err error) {
	pending, err = sqlitedb.CollectRows(ctx, l.reader, sqlitedb.RowTo[string], `SELECT f.name FROM eventfeed_feeds f
		WHERE NOT f.held AND EXISTS (SELECT 1 FROM eventfeed_pending p WHERE p.feed = f.feed)`)
	if err != nil {
		return nil, nil, err
	}
	unsealed, err = sqlitedb.CollectRows(ctx, l.reader, sqlitedb.RowTo[string], `SELECT f.name FROM eventfeed_feeds f WHERE f.open_page - 1 > f.archives`)
	return pending, unsealed, err
}

const eventColumns = `e.id, e.source, e.type, coalesce(e.subject, ''), e.time, coalesce(e.datacontenttype, ''), coalesce(e.dataschema, ''), e.extensions, e.data`

// eventScan is the target of a scan of the event columns.
type eventScan struct {
	event.Event
	extensions []byte
}

func (s *eventScan) targets(more ...any) []any {
	return append(more, &s.ID, &s.Source, &s.Type, &s.Subject, sqlitedb.Time(&s.Time), &s.DataContentType, &s.DataSchema, &s.extensions, &s.Data)
}

// finish brings the scanned event into normal form.
func (s *eventScan) finish() error {
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
	var s eventScan
	var position int64
	var recorded time.Time
	var digest []byte
	targets := s.targets(&position, sqlitedb.Time(&recorded), &digest)
	scan := func(row sqlitedb.Row) (*store.Row, error) {
		if err := row.Scan(targets...); err != nil {
			return nil, fmt.Errorf("position %d: %w", position, err)
		}
		err := s.finish()
		return &store.Row{Placed: event.Placed{Event: s.Event, Position: position, Recorded: recorded}, Digest: feed.Digest(digest)}, err
	}
	rows := sqlitedb.Rows(ctx, q.db, scan, `
		SELECT p.position, p.recorded, p.digest, `+eventColumns+`
		FROM eventfeed_positions p JOIN eventfeed_events e ON e.insert_no = p.insert_no
		WHERE p.feed = ? AND p.position BETWEEN ? AND ? ORDER BY p.position`, key, first, last)
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// Pages reads closed pages, in order.
func (l *Log) Pages(ctx context.Context, key, first, last int64) ([]store.Page, error) {
	page := func(row sqlitedb.Row) (p store.Page, err error) {
		err = row.Scan(&p.Number, &p.First, &p.Last)
		return p, err
	}
	return sqlitedb.CollectRows(ctx, l.reader, page, `
		SELECT page, first_position, last_position FROM eventfeed_pages
		WHERE feed = ? AND page BETWEEN ? AND ? ORDER BY page`, key, first, last)
}

// Document reads a stored archive: the final stage if there is one.
func (q queries) Document(ctx context.Context, key int64, page feed.Page) (store.Document, error) {
	d := store.Document{Page: page}
	err := q.db.QueryRowContext(ctx, `
		SELECT stage, body FROM eventfeed_documents
		WHERE feed = ? AND epoch = ? AND page = ? ORDER BY stage LIMIT 1`, // final comes before newest
		key, page.Epoch, page.Number).Scan(&d.Stage, &d.Body)
	if err != nil {
		return d, fmt.Errorf("page %d of epoch %s: %w", page.Number, page.Epoch, noRows(err, store.ErrNoPage))
	}
	return d, nil
}

// noRows replaces database/sql's error for a missing row.
func noRows(err, instead error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return instead
	}
	return err
}

// queries has the reads of a snapshot.
type queries struct{ db sqlitedb.Querier }

// Read calls read in one transaction, whose statements all see the same snapshot.
func (l *Log) Read(ctx context.Context, read func(store.Snapshot) error) error {
	tx, err := l.reader.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return read(queries{tx})
}
