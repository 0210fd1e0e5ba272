package postgres

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

//go:embed inbox_migrations/*.sql
var inboxMigrations embed.FS

// migrateInbox creates the inbox if it is missing.
func migrateInbox(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Sub(inboxMigrations, "inbox_migrations")
	if err != nil {
		return err
	}
	return migratepostgres.Migrations{Schema: "eventfeed_inbox", Files: files}.Up(ctx, pool)
}

const copyInbox = `COPY eventfeed_inbox.feed_events
	(position, time, feed_number, id, source, type, subject, datacontenttype, dataschema, extensions, data)
	FROM STDIN (FORMAT binary)`

// Inbox is a Sink that adds every event to the table eventfeed_inbox.feed_events. The view
// eventfeed_inbox.events shows it with the names of consumers and feeds.
type Inbox struct {
	numbers map[string]int32 // of the feeds, by their ids
}

// Setup does nothing: all consumers share the table, and it exists before.
func (*Inbox) Setup(context.Context, pgx.Tx) error { return nil }

// Prepare does nothing.
func (*Inbox) Prepare(context.Context, pgx.Tx) error { return nil }

// Apply adds a batch with one binary COPY.
func (i *Inbox) Apply(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return checkpoint.Outcome{}, i.copy(ctx, tx, b)
}

// numberFeeds gives a number to each feed that a consumer has a checkpoint of.
func (i *Inbox) numberFeeds(ctx context.Context, tx pgx.Tx, consumer string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO eventfeed_inbox.feeds AS f (consumer, feed_id, feed)
		SELECT consumer, feed_id, feed FROM eventfeed_seed.checkpoints WHERE consumer = $1
		ON CONFLICT (consumer, feed_id) DO UPDATE SET feed = excluded.feed WHERE f.feed <> excluded.feed`, consumer)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT feed_id, number FROM eventfeed_inbox.feeds WHERE consumer = $1", consumer)
	if err != nil {
		return err
	}
	i.numbers = map[string]int32{}
	var id string
	var number int32
	_, err = pgx.ForEachRow(rows, []any{&id, &number}, func() error {
		i.numbers[id] = number
		return nil
	})
	return err
}

func (i *Inbox) copy(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) error {
	if err := checkpoint.CheckNumbers(i.numbers, b.Events); err != nil {
		return err
	}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{batch: b, numbers: i.numbers}, copyInbox)
	// A violation of another key comes from one that the inbox's owner has added.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" &&
		pgErr.SchemaName == "eventfeed_inbox" && pgErr.ConstraintName == "feed_events_pkey" {
		return fmt.Errorf("%w: %w", checkpoint.ErrThere, err)
	}
	if i := postgresdb.CopyRow(err); i >= 0 && i < len(b.Events) {
		e := &b.Events[i]
		return &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
	}
	return err
}

// copyReader reads a batch in PostgreSQL's binary COPY format, and encodes it while it is read.
// pgx would look up its type map for every value, which costs more than everything else in
// applying an event.
type copyReader struct {
	batch   checkpoint.Batch
	numbers map[string]int32
	next    int    // index of the event to encode
	state   int    // which part of the stream comes next
	encoded []byte // encoded and not read yet
	buffer  []byte
}

const (
	copyStart = iota
	copyRows
	copyEnd
)

// copyChunk is how many bytes are encoded at a time.
const copyChunk = 64 << 10

func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.encoded) == 0 {
		if r.state == copyEnd {
			return 0, io.EOF
		}
		r.buffer = r.fill(r.buffer[:0])
		r.encoded = r.buffer
	}
	n := copy(p, r.encoded)
	r.encoded = r.encoded[n:]
	return n, nil
}

func (r *copyReader) fill(b []byte) []byte {
	if r.state == copyStart {
		b = append(b, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
		r.state = copyRows
	}
	for r.next < len(r.batch.Events) && len(b) < copyChunk {
		b = r.appendRow(b, &r.batch.Events[r.next])
		r.next++
	}
	if r.next == len(r.batch.Events) {
		b = append(b, 0xff, 0xff) // the trailer
		r.state = copyEnd
	}
	return b
}

func (r *copyReader) appendRow(b []byte, e *event.Delivered) []byte {
	b = binary.BigEndian.AppendUint16(b, 11)
	b = postgresdb.AppendInt8(appendLength(b, 8), e.Position)
	b = postgresdb.AppendTimestamp(appendLength(b, 8), e.Time)
	b = postgresdb.AppendInt4(appendLength(b, 4), r.numbers[e.FeedID])
	b = appendValue(b, e.ID)
	b = appendValue(b, e.Source)
	b = appendValue(b, e.Type)
	b = appendOptional(b, e.Subject)
	b = appendOptional(b, e.DataContentType)
	b = appendOptional(b, e.DataSchema)
	if text := checkpoint.ExtensionsJSON(e.Extensions); text != nil {
		b = postgresdb.AppendJSONB(appendLength(b, len(text)+1), text)
	} else {
		b = appendNull(b)
	}
	return appendOptional(b, e.Data)
}

func appendValue[T string | []byte](b []byte, value T) []byte {
	return append(appendLength(b, len(value)), value...)
}

func appendOptional[T string | []byte](b []byte, value T) []byte {
	if len(value) == 0 {
		return appendNull(b)
	}
	return appendValue(b, value)
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func appendLength(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }
