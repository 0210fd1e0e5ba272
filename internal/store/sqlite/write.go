package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// tx is a writing transaction of the log. It holds the file's write lock from the beginning, so no row
// needs a lock of its own.
type tx struct{ *sql.Tx }

var _ store.Tx = tx{}

func now() string { return cloudevents.FormatTime(time.Now()) }

func (t tx) Create(ctx context.Context, f *store.Feed) error {
	err := t.QueryRowContext(ctx, `
		INSERT INTO eventfeed_feeds (name, id, title, author, page_size, page_bytes, created, modified, identity, digest, held)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING feed`,
		f.Name, f.ID, f.Title, f.Author, f.PageSize, f.PageBytes, now(), cloudevents.FormatTime(f.Modified), identity, f.Digest[:], f.Held).Scan(&f.Key)
	code, ok := errors.AsType[*sqlite.Error](err)
	if ok && code.Code() == sqlitecodes.SQLITE_CONSTRAINT_UNIQUE && strings.Contains(code.Error(), "eventfeed_feeds.name") {
		return store.ErrFeedExists
	}
	if err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, "INSERT INTO eventfeed_entity_feeds (feed, entities) VALUES (?, ?)", f.Key, f.Entities); err != nil {
		return err
	}
	return t.AddEpoch(ctx, f.Key, f.Epochs[0], "created")
}

// SetSequences does nothing, because AUTOINCREMENT also takes the existing rows into account.
func (t tx) SetSequences(context.Context) ([]string, error) { return nil, nil }

func (t tx) Lock(ctx context.Context, name string) (store.Feed, string, error) {
	f, err := scanFeed(t.QueryRowContext(ctx, "SELECT "+feedColumns+" FROM eventfeed_feeds f WHERE f.name = ?", name))
	return f, identity, noRows(err, store.ErrNoFeed)
}

func (t tx) Save(ctx context.Context, f *store.Feed) error {
	_, err := t.ExecContext(ctx, `
		UPDATE eventfeed_feeds SET identity = ?, position = ?, digest = ?,
			open_page = ?, open_first = ?, open_bytes = ?, archives = ?, held = ?, modified = ? WHERE feed = ?`,
		f.Identity, f.Position, f.Digest[:], f.Open.Number, f.Open.First, f.Open.Bytes, f.Archives, f.Held, cloudevents.FormatTime(f.Modified), f.Key)
	return err
}

func (t tx) TakePending(ctx context.Context, key int64, limit int, yield func(int64, *event.Event) error) error {
	var s eventScan
	var insertNo int64
	targets := s.targets(&insertNo)
	scan := func(row sqlitedb.Row) (*event.Event, error) {
		if err := row.Scan(targets...); err != nil {
			return nil, fmt.Errorf("event %q: %w", s.ID, err)
		}
		return &s.Event, s.finish()
	}
	rows := sqlitedb.Rows(ctx, t, scan, `
		SELECT e.insert_no, `+eventColumns+` FROM eventfeed_pending p JOIN eventfeed_events e ON e.insert_no = p.insert_no
		WHERE p.feed = ? ORDER BY p.insert_no LIMIT ?`, key, limit)
	for e, err := range rows {
		if err != nil {
			return err
		}
		if err := yield(insertNo, e); err != nil {
			return err
		}
	}
	if insertNo == 0 {
		return nil
	}
	// The write lock is held, so no event can appear before the last one read.
	_, err := t.ExecContext(ctx, "DELETE FROM eventfeed_pending WHERE feed = ? AND insert_no <= ?", key, insertNo)
	return err
}

func (t tx) AddPositions(ctx context.Context, key int64, positions []store.Position) error {
	if len(positions) == 0 {
		return nil
	}
	insert, err := t.PrepareContext(ctx, `
		INSERT INTO eventfeed_positions (feed, position, insert_no, digest, recorded) VALUES (?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	recorded, err := t.recordedNow(ctx, key, positions[0].Position-1)
	if err != nil {
		return err
	}
	for i := range positions {
		p := &positions[i]
		if _, err := insert.ExecContext(ctx, key, p.Position, p.InsertNo, p.Digest[:], recorded); err != nil {
			return err
		}
	}
	return nil
}

// recordedNow returns the time for the events after a position: now, or the recorded time of that
// position if this machine's clock is behind it.
func (t tx) recordedNow(ctx context.Context, key, after int64) (string, error) {
	var last time.Time
	err := t.QueryRowContext(ctx, `SELECT p.recorded FROM eventfeed_positions p WHERE p.feed = ? AND p.position = ?`, key, after).Scan(sqlitedb.Time(&last))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if now := time.Now(); now.After(last) {
		return cloudevents.FormatTime(now), nil
	}
	return cloudevents.FormatTime(last), nil
}

func (t tx) AddPages(ctx context.Context, key int64, pages []store.Page) error {
	for _, p := range pages {
		_, err := t.ExecContext(ctx, `INSERT INTO eventfeed_pages (feed, page, first_position, last_position) VALUES (?, ?, ?, ?)`,
			key, p.Number, p.First, p.Last)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t tx) AddEpoch(ctx context.Context, key int64, e feed.Epoch, reason string) error {
	_, err := t.ExecContext(ctx, `
		INSERT INTO eventfeed_epochs (feed, ordinal, epoch, first_position, first_page, digest_before, reason, started)
		SELECT ?1, count(*) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM eventfeed_epochs WHERE feed = ?1`,
		key, e.ID, e.FirstPosition, e.FirstPage, e.DigestBefore[:], reason, now())
	return err
}

func (t tx) PutDocument(ctx context.Context, key int64, d store.Document) error {
	_, err := t.ExecContext(ctx, `INSERT INTO eventfeed_documents (feed, epoch, page, stage, format, body, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		key, d.Page.Epoch, d.Page.Number, d.Stage, feed.Format, d.Body, now())
	return err
}

func (t tx) DropNewest(ctx context.Context, key int64, page feed.Page) error {
	_, err := t.ExecContext(ctx, `DELETE FROM eventfeed_documents WHERE feed = ? AND epoch = ? AND page = ? AND stage = 'newest'`,
		key, page.Epoch, page.Number)
	return err
}
