package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// The polling intervals of Watch: short after a change, and longer while there is none. A poll reads a
// few bytes of shared memory.
const (
	watchBusy = 10 * time.Millisecond
	watchIdle = 100 * time.Millisecond
)

// Watch polls the file's data version, which changes with each commit on another connection of any
// process. If the file is replaced, it continues with the new one.
func (l *Log) Watch(ctx context.Context, changed func(name string)) error {
	for {
		err := l.watchFile(ctx, changed)
		if err != nil && !errors.Is(err, sqlitedb.ErrGone) && !errors.Is(err, driver.ErrBadConn) {
			return fmt.Errorf("look for changes: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchIdle):
		}
	}
}

// watchFile watches the file until it is moved or deleted.
func (l *Log) watchFile(ctx context.Context, changed func(name string)) error {
	conn, err := l.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for last, interval := int64(-1), watchBusy; ; interval = min(interval*5/4, watchIdle) {
		var version int64
		if err := conn.Raw(sqlitedb.Check); err != nil {
			return err
		}
		if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
			return err
		}
		if version != last {
			last, interval = version, watchBusy
			changed("")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}

// Versions returns for each feed the columns of its row that can change, and whether it has entities.
func (l *Log) Versions(ctx context.Context) (map[string]string, error) {
	type version struct{ name, version string }
	scan := func(row sqlitedb.Row) (v version, err error) {
		err = row.Scan(&v.name, &v.version)
		return v, err
	}
	rows := sqlitedb.Rows(ctx, l.reader, scan, `
		SELECT f.name, printf('%d %d %d %d %d %d ', f.position, f.open_page, f.archives, f.held,
			(SELECT n.entities FROM eventfeed_entity_feeds n WHERE n.feed = f.feed),
			(SELECT count(*) FROM eventfeed_epochs e WHERE e.feed = f.feed)) || f.id || ' ' || hex(f.digest) || ' ' || f.title || ' ' || f.author
		FROM eventfeed_feeds f`)
	versions := make(map[string]string)
	for v, err := range rows {
		if err != nil {
			return nil, err
		}
		versions[v.name] = v.version
	}
	return versions, nil
}
