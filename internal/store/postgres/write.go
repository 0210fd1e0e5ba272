package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// tx is a writing transaction of the log.
type tx struct{ pgx.Tx }

var _ store.Tx = tx{}

func (t tx) Create(ctx context.Context, f *store.Feed) error {
	if _, err := t.SetSequences(ctx); err != nil {
		return err
	}
	err := t.QueryRow(ctx, `
		INSERT INTO eventfeed.feeds (name, id, title, author, page_size, page_bytes, modified, identity, digest, held)
		VALUES ($1, $2, $3, $4, $5, $6, $7, `+identity+`, $8, $9) RETURNING feed`,
		f.Name, f.ID, f.Title, f.Author, f.PageSize, f.PageBytes, f.Modified, f.Digest[:], f.Held).Scan(&f.Key)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" && pgErr.ConstraintName == "feeds_name_key" {
		return store.ErrFeedExists
	}
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "INSERT INTO eventfeed.entity_feeds (feed, name, entities) VALUES ($1, $2, $3)", f.Key, f.Name, f.Entities); err != nil {
		return err
	}
	if err := t.AddEpoch(ctx, f.Key, f.Epochs[0], "created"); err != nil {
		return err
	}
	return t.notify(ctx, f.Name)
}

// channel is the channel of notifications to servers about changed feeds. A notification is a hint:
// a lost one delays readers by a second.
const channel = "eventfeed"

func (t tx) notify(ctx context.Context, name string) error {
	_, err := t.Exec(ctx, "SELECT pg_notify($1, $2)", channel, name)
	return err
}

func (t tx) SetSequences(ctx context.Context) (set []string, err error) {
	err = t.QueryRow(ctx, "SELECT eventfeed.set_sequences()").Scan(&set)
	return set, err
}

func (t tx) Lock(ctx context.Context, name string) (f store.Feed, now string, err error) {
	if _, err = t.Exec(ctx, "SELECT FROM eventfeed.feeds WHERE name = $1 FOR NO KEY UPDATE", name); err != nil {
		return f, "", err
	}
	// A second statement, so that epochs and pages are as fresh as the locked row.
	if f, err = scanFeed(t.QueryRow(ctx, "SELECT "+feedColumns+" FROM eventfeed.feeds f WHERE f.name = $1", name)); err != nil {
		return f, "", noRows(err, store.ErrNoFeed)
	}
	err = t.QueryRow(ctx, "SELECT "+identity).Scan(&now)
	return f, now, err
}

func (t tx) Save(ctx context.Context, f *store.Feed) error {
	_, err := t.Exec(ctx, `
		UPDATE eventfeed.feeds SET identity = $2, position = $3, digest = $4,
			open_page = $5, open_first = $6, open_bytes = $7, archives = $8, held = $9, modified = $10 WHERE feed = $1`,
		f.Key, f.Identity, f.Position, f.Digest[:], f.Open.Number, f.Open.First, f.Open.Bytes, f.Archives, f.Held, f.Modified)
	if err != nil {
		return err
	}
	return t.notify(ctx, f.Name)
}

// TakePending does not delete the rows of pending; the trigger on positions does.
func (t tx) TakePending(ctx context.Context, key int64, limit int, yield func(int64, *event.Event) error) error {
	rows, err := t.Query(ctx, `
		SELECT e.insert_no, `+eventColumns+` FROM eventfeed.events e WHERE e.insert_no = ANY (ARRAY(
			SELECT p.insert_no FROM eventfeed.pending p WHERE p.feed = $1 ORDER BY p.insert_no LIMIT $2))
		ORDER BY e.insert_no`, key, limit)
	if err != nil {
		return err
	}
	var s eventScan
	var insertNo int64
	_, err = pgx.ForEachRow(rows, s.targets(&insertNo), func() error {
		if err := s.finish(); err != nil {
			return err
		}
		return yield(insertNo, &s.Event)
	})
	return err
}

func (t tx) AddPositions(ctx context.Context, key int64, positions []store.Position) error {
	if len(positions) == 0 {
		return nil
	}
	first := positions[0].Position // the others follow without a gap
	insertNos, digests := make([]int64, len(positions)), make([][]byte, len(positions))
	for i := range positions {
		insertNos[i], digests[i] = positions[i].InsertNo, positions[i].Digest[:]
	}
	_, err := t.Exec(ctx, `
		INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
		SELECT $1, $2::bigint + u.n - 1, u.insert_no, u.digest, clock.now
		FROM unnest($3::bigint[], $4::bytea[]) WITH ORDINALITY AS u (insert_no, digest, n),
		     (SELECT greatest(clock_timestamp(), (SELECT p.recorded FROM eventfeed.positions p
		                                          WHERE p.feed = $1 AND p.position = $2::bigint - 1)) AS now) clock`,
		key, first, insertNos, digests)
	return err
}

func (t tx) AddPages(ctx context.Context, key int64, pages []store.Page) error {
	if len(pages) == 0 {
		return nil
	}
	first := pages[0].Number // the others follow without a gap
	ends := make([]int64, len(pages))
	for i := range pages {
		ends[i] = pages[i].Last
	}
	_, err := t.Exec(ctx, `
		INSERT INTO eventfeed.pages (feed, page, first_position, last_position)
		SELECT $1, $2::bigint + u.n - 1, lag(u.last, 1, $3::bigint - 1) OVER (ORDER BY u.n) + 1, u.last
		FROM unnest($4::bigint[]) WITH ORDINALITY AS u (last, n)`, key, first, pages[0].First, ends)
	return err
}

func (t tx) AddEpoch(ctx context.Context, key int64, e feed.Epoch, reason string) error {
	_, err := t.Exec(ctx, `
		INSERT INTO eventfeed.epochs (feed, ordinal, epoch, first_position, first_page, digest_before, reason)
		SELECT $1, count(*) + 1, $2, $3, $4, $5, $6 FROM eventfeed.epochs WHERE feed = $1`,
		key, e.ID, e.FirstPosition, e.FirstPage, e.DigestBefore[:], reason)
	return err
}

func (t tx) PutDocument(ctx context.Context, key int64, d store.Document) error {
	_, err := t.Exec(ctx, `INSERT INTO eventfeed.documents (feed, epoch, page, stage, format, body) VALUES ($1, $2, $3, $4, $5, $6)`,
		key, d.Page.Epoch, d.Page.Number, d.Stage, feed.Format, d.Body)
	return err
}

func (t tx) DropNewest(ctx context.Context, key int64, page feed.Page) error {
	_, err := t.Exec(ctx, `DELETE FROM eventfeed.documents WHERE feed = $1 AND epoch = $2 AND page = $3 AND stage = 'newest'`,
		key, page.Epoch, page.Number)
	return err
}
