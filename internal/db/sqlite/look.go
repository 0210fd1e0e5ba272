package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"
)

// Look opens the file to look into it, and changes nothing of it; it must be
// there. It may be on a read-only file system: there what is being written is
// seen through the files that its writer keeps beside it, and where there are
// none the file is taken for one that nobody writes. So it is for one look.
func Look(ctx context.Context, path string) (*sql.DB, error) {
	const looking = "mode=rw&_pragma=busy_timeout(10000)&_pragma=query_only(1)"
	db, err := openOnce(ctx, path, looking)
	if err == nil {
		var tables int
		if err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err == nil {
			return db, nil
		}
		_ = db.Close()
		err = fmt.Errorf("open %s: %w", path, explained(path, err))
	}
	code, isSQLite := errors.AsType[*sqlite.Error](err)
	if !isSQLite {
		return nil, err
	}
	_, noWAL := os.Stat(path + "-wal")
	switch code.Code() & 0xff {
	case sqlitecodes.SQLITE_CANTOPEN, sqlitecodes.SQLITE_READONLY:
		if errors.Is(noWAL, fs.ErrNotExist) {
			return openOnce(ctx, path, "mode=ro&immutable=1&_pragma=query_only(1)")
		}
	}
	return nil, err
}

// openOnce opens the file for one connection, whatever becomes of the file.
func openOnce(ctx context.Context, path, options string) (*sql.DB, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", uri(path, options))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, ping(ctx, db, path)
}
