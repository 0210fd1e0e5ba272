package sqlitedb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
)

// connector opens connections that know which file they are on.
type connector struct {
	driver.Connector // makes the file if it is not there
	existing         driver.Connector
	file             *file
}

func newConnector(f *file, uri string) (*connector, error) {
	making, err := sqlite.NewConnector(uri)
	if err != nil {
		return nil, err
	}
	existing, err := sqlite.NewConnector(uri + "&mode=rw")
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users++
	return &connector{making, existing, f}, nil
}

// Connect opens a connection to the file at the path. The first one may make it.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	before, err := c.file.check()
	open := c.existing
	if errors.Is(err, os.ErrNotExist) {
		open, err = c.Connector, nil
		makePrivate(c.file.path)
	}
	if err != nil {
		return nil, err
	}
	generation, err := c.file.enter()
	if err != nil {
		return nil, err
	}
	opened, err := open.Connect(ctx)
	if err != nil {
		return nil, err
	}
	raw, ok := opened.(rawConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connection is a %T", opened), opened.Close())
	}
	if generation, err = c.file.opened(ctx, before, generation); err != nil {
		_ = opened.Close()
		return nil, err
	}
	return &conn{raw, c.file, generation}, nil
}

// Close is called when the pool was closed.
func (c *connector) Close() error { return c.file.leave() }

// rawConn is what database/sql uses of the driver's connections.
type rawConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection on one file.
type conn struct {
	rawConn
	file       *file
	generation int
}

// check returns ErrGone or ErrReplaced, wrapped, if the connection's file is not at
// its path any more.
func (c *conn) check() error {
	if _, err := c.file.check(); err != nil {
		return err
	}
	if !c.file.isCurrent(c.generation) {
		return fmt.Errorf("%s: %w", c.file.path, ErrReplaced)
	}
	return nil
}

// ResetSession gives the connection up if its file is not at the path any more:
// then database/sql opens another one.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.check() != nil {
		return driver.ErrBadConn
	}
	return c.rawConn.ResetSession(ctx)
}

// IsValid reports whether the connection is worth keeping.
func (c *conn) IsValid() bool { return c.rawConn.IsValid() && c.file.isCurrent(c.generation) }

// BeginTx begins a transaction that fails if its file is not at the path at its end.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	begun, err := c.rawConn.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	// From here on the WAL stays where it is.
	if !c.file.isCurrent(c.generation) {
		return nil, errors.Join(driver.ErrBadConn, begun.Rollback())
	}
	return &tx{begun, c}, nil
}

type tx struct {
	driver.Tx
	conn *conn
}

// Commit returns ErrGone or ErrReplaced, wrapped, for what is committed on a file
// that nobody will find.
func (t *tx) Commit() error {
	if err := t.Tx.Commit(); err != nil {
		return err
	}
	return t.conn.check()
}

// WhenReplaced returns a channel that is closed when another file takes the place of a pool's
// file, within about [fileInterval], whether the pool is used or not. The pool must have been
// opened by this package, and must not be in a transaction on its only connection.
func WhenReplaced(ctx context.Context, db *sql.DB) (replaced <-chan struct{}, err error) {
	used, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = used.Raw(func(driverConn any) error {
		c, ok := driverConn.(*conn)
		if !ok {
			return fmt.Errorf("%T is no connection of this package", driverConn)
		}
		replaced = c.file.whenReplaced()
		return nil
	})
	return replaced, errors.Join(err, used.Close())
}

// Check returns driver.ErrBadConn if the file of a connection, as [sql.Conn.Raw]
// gives it, is not at its path any more.
func Check(driverConn any) error {
	c, ok := driverConn.(*conn)
	if !ok {
		return fmt.Errorf("%T is no connection of this package", driverConn)
	}
	if c.check() != nil {
		return driver.ErrBadConn
	}
	return nil
}
